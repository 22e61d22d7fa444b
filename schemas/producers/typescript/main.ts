/**
 * Publishes streams of LLM responses to Streamledger's chunk topic: a producer to start from.
 *
 * It reads chunks as JSON lines from standard input, of any number of requests at once. A line is a chunk of the
 * contract; what it leaves out is filled in: chunk_index, timestamp, and after the first line of a request stream_type,
 * provider and model. A line with "is_final": true ends its request; one that has no such line is ended as cancelled
 * when the input ends or SIGTERM or SIGINT comes.
 *
 *     STREAMLEDGER_BOOTSTRAP_SERVERS=localhost:9092 node dist/main.js < chunks.jsonl
 *
 * Exit codes: 0 all delivered, 1 lines were refused, 2 wrong use or no topic, 3 no Kafka or not all delivered, 143 and
 * 130 after a signal if all was delivered.
 */
import { constants } from "node:os";

import { NoTopic, Publisher, Refused, text, type About, type Chunk, type Request } from "./publisher.js";

const FLUSH_MS = 30_000;

/** The requests that are open. */
class Streams {
  requests = 0;
  refused = 0;
  cancelled = 0;
  private open = new Map<string, Request>();

  constructor(private readonly publisher: Publisher) {}

  /** Publish one line; a pipe may wait for room as long as it runs, a gateway gives AbortSignal.timeout(budget). */
  async take(line: string, running: AbortSignal): Promise<void> {
    const chunk = parse(line);
    let request = this.open.get(chunk.request_id);
    if (request === undefined) {
      request = this.publisher.open(chunk);
      this.open.set(chunk.request_id, request);
      this.requests += 1;
    }
    await request.publish(chunk, running);
    if (chunk.is_final === true) this.open.delete(chunk.request_id);
  }

  async cancelAll(): Promise<void> {
    const patience = AbortSignal.timeout(FLUSH_MS);
    for (const request of this.open.values()) {
      this.cancelled += 1;
      await request.cancel("the producer was stopped before the stream ended", patience).catch(() => (this.refused += 1));
    }
  }
}

function parse(line: string): About {
  let chunk: unknown;
  try {
    chunk = JSON.parse(line);
  } catch {
    chunk = undefined; // the parser's own message quotes content
  }
  if (typeof chunk !== "object" || chunk === null || Array.isArray(chunk)) throw new Refused("no JSON object");
  const { _kafka, ...rest } = chunk as Chunk & { _kafka?: unknown };
  return rest as About; // what is missing or wrong in it open() says
}

/** Lines as they come. Not node:readline: it also splits at U+2028, which JSON may hold as it is. */
async function* lines(source: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  for await (const block of source) {
    let begin = 0;
    for (let end = block.indexOf(10); end >= 0; end = block.indexOf(10, begin)) {
      yield Buffer.concat([...rest, block.subarray(begin, end)]).toString();
      rest = [];
      begin = end + 1;
    }
    if (begin < block.length) rest.push(block.subarray(begin));
  }
  if (rest.length > 0) yield Buffer.concat(rest).toString();
}

/** Publish line by line until the input ends or `running` does. */
async function follow(streams: Streams, running: AbortSignal): Promise<void> {
  running.addEventListener("abort", () => process.stdin.destroy());
  let number = 0;
  try {
    for await (const line of lines(process.stdin)) {
      if (running.aborted) return;
      number += 1;
      if (line.trim() === "") continue;
      try {
        await streams.take(line, running);
      } catch (error) {
        streams.refused += 1; // one bad line must not end the streams beside it
        console.error(`line ${number}: ${text(error)}`);
      }
    }
  } catch (error) {
    if (!running.aborted) throw error;
  }
}

async function main(): Promise<number> {
  const brokers = process.env["STREAMLEDGER_BOOTSTRAP_SERVERS"] ?? "localhost:9092";
  const topic = process.env["STREAMLEDGER_CHUNK_TOPIC"] ?? "llm.chunks";
  let publisher: Publisher;
  try {
    publisher = await Publisher.connect(brokers.split(","), topic);
  } catch (error) {
    if (error instanceof NoTopic) {
      console.error(`topic ${topic} does not exist at ${brokers}; create it: streamledger topics`);
      return 2;
    }
    console.error(`no Kafka at ${brokers}: ${text(error)}`);
    return 3;
  }
  const running = new AbortController();
  let code = 0;
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.once(name, () => {
      code = 128 + constants.signals[name];
      running.abort();
    });
  }
  const streams = new Streams(publisher);
  await follow(streams, running.signal);
  await streams.cancelAll();
  const failure = await publisher.close(FLUSH_MS).then(() => undefined, text);
  const { requests, refused, cancelled } = streams;
  console.log(JSON.stringify({ requests, delivered: publisher.delivered, failed: publisher.failed, refused, cancelled }));
  if (failure !== undefined) {
    console.error(failure);
    return 3;
  }
  return refused > 0 ? 1 : code;
}

void main().then((code) => process.exit(code));
