// Pause, and whether the page is live. All else is htmx's; without scripts the page is whole and stands still.
// Comes before htmx: the stream's first event must find who listens.
"use strict";
(() => {
  const SILENT = 15_000; // ms: the server sends something every five seconds
  const button = document.getElementById("pause");
  const pulse = document.getElementById("pulse");
  if (!button || !pulse) return;
  let state = "";
  let heard = Date.now();
  let connection = null;

  const say = (next, text) => {
    state = next;
    pulse.className = "pulse " + (next === "on" && text !== "live" ? "idle" : next);
    pulse.textContent = text;
    pulse.hidden = false;
  };
  // Connected to a server that is itself cut off is not live; it says why on the page.
  const connected = () => {
    const text = document.querySelector("#trouble .trouble") ? "connected" : "live";
    if (state !== "on" || pulse.textContent !== text) say("on", text);
  };
  const last = () => new Date(heard).toISOString().slice(11, 19) + " UTC";
  const release = () => connection && connection.reader && connection.reader.cancel();

  button.hidden = false;
  say("connecting", "connecting");

  document.addEventListener("htmx:sse:after:connection", (event) => {
    connection = event.detail.connection;
    if (state === "paused") return setTimeout(release); // it was under way when somebody pressed the button
    heard = Date.now();
    connected();
  });
  // A stream that ends while paused is not asked for again; one that breaks is, and the page says so meanwhile.
  document.addEventListener("htmx:sse:before:connection", (event) => {
    if (state === "paused") event.preventDefault();
    else if (state === "on" && connection && connection.attempt > 0) say("off", "reconnecting");
  });
  document.addEventListener("htmx:sse:before:message", (event) => {
    if (state === "paused") event.preventDefault();
    else heard = Date.now();
  });
  document.addEventListener("htmx:sse:after:message", () => state === "on" && connected());
  document.addEventListener("htmx:sse:error", () => {
    if (state !== "paused") say("off", "connection lost, as of " + last());
  });
  // A server that stands still and a line that is dead end no stream: what is old must not be taken for live.
  setInterval(() => {
    if (state !== "on" || document.hidden || Date.now() - heard < SILENT) return;
    say("off", "no answer, as of " + last());
    release();
  }, 1_000);

  button.addEventListener("click", () => {
    const paused = state !== "paused";
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? "Resume" : "Pause";
    if (paused) {
      say("paused", "paused, as of " + last());
      release();
    } else {
      say("connecting", "connecting");
      const stream = document.querySelector("[data-stream]");
      if (stream) stream.dispatchEvent(new Event("resume"));
    }
  });
})();
