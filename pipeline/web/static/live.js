// Pause, and whether the page is live. All else is htmx's; without scripts the page is whole and stands still.
// Comes before htmx: the stream's first event must find who listens.
"use strict";
(() => {
  const button = document.getElementById("pause");
  const pulse = document.getElementById("pulse");
  if (!button || !pulse) return;
  let paused = false;
  let connection = null;

  const say = (state, text) => {
    pulse.className = "pulse " + state;
    pulse.textContent = text;
    pulse.hidden = false;
  };

  button.hidden = false;
  say("connecting", "connecting");

  document.addEventListener("htmx:sse:after:connection", (event) => {
    connection = event.detail.connection;
    say("on", "live");
  });
  // A stream that ends while paused is not asked for again; one that breaks is, and the page says so meanwhile.
  document.addEventListener("htmx:sse:before:connection", (event) => {
    if (paused) event.preventDefault();
    else if (pulse.textContent !== "live") return;
    else if (connection && connection.attempt > 0) say("off", "reconnecting");
  });
  document.addEventListener("htmx:sse:before:message", (event) => {
    if (paused) event.preventDefault();
  });
  document.addEventListener("htmx:sse:error", () => {
    if (!paused) say("off", "connection lost");
  });

  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? "Resume" : "Pause";
    if (paused) {
      say("paused", "paused");
      if (connection && connection.reader) connection.reader.cancel();
    } else {
      say("connecting", "connecting");
      const stream = document.querySelector("[data-stream]");
      if (stream) stream.dispatchEvent(new Event("resume"));
    }
  });
})();
