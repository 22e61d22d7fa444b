import {
  CompressionTypes,
  Kafka,
  KafkaJSProtocolError,
  logLevel,
  Partitioners,
  type KafkaConfig,
  type Message,
  type Producer,
} from "kafkajs";

const BUFFER_BYTES = 64 << 20; // accepted and not yet acknowledged; past it publish() waits for room
const CHUNK_BYTES = 256; // what a chunk costs beside its key and value, at least
const MESSAGE_BYTES = 16 << 20; // what the topic takes in one message; what is oversize the worker decides
const BATCH_BYTES = 1 << 20;
const DELIVERY_MS = 120_000; // tries of one batch: covers the election of a new leader
const PAUSE_MS = 250;
const RETRY = { initialRetryTime: 200, maxRetryTime: 1_000, retries: 4 }; // some seconds: a broker that is just starting

/**
 * kafkajs' default since 2.0, named here because everything depends on it: of a message with a key the murmur2 hash
 * without its sign, modulo the number of partitions, as Kafka's Java client has it.
 */
export const partitioner = Partitioners.DefaultPartitioner;

const STREAM_TYPES = new Set([
  "text.completion",
  "chat.completion",
  "audio.speech",
  "image.generation",
  "audio.transcription",
  "responses",
]);

/** One message of the contract. What is left out of it, Request.publish fills in. */
export interface Chunk {
  schema_version?: number;
  request_id?: string;
  stream_type?: string;
  chunk_index?: number;
  timestamp?: string;
  start_timestamp?: string | null;
  provider?: string | null;
  model?: string | null;
  is_final?: boolean;
  image_index?: number | null;
  attempt?: number;
  cost?: number | null;
  labels?: Record<string, string>;
  response?: unknown;
  error?: unknown;
  raw_request?: unknown;
}

/** What names a request; the rest of a chunk may come with it. */
export interface About extends Chunk {
  request_id: string;
  stream_type: string;
}

/** A chunk that would only become a dead letter, refused as long as somebody is there to hear it. */
export class Refused extends Error {}

/**
 * There was no room for a chunk within the caller's time. The chunk is lost, and its index is used up, so that the
 * record of its request says which one is missing.
 */
export class Full extends Error {
  constructor() {
    super("the buffer is full: Kafka is away or slower than the streams");
  }
}

export class NoTopic extends Error {}

/** Sends the chunks of many requests over one idempotent producer. */
export class Publisher {
  delivered = 0;
  failed = 0;
  cause: unknown = undefined;
  private queue: Message[] = [];
  private used = 0;
  private pending = 0; // accepted, fate unknown
  private waiting: (() => void)[] = [];
  private sending: Promise<void> | undefined;

  private constructor(
    private readonly producer: Producer,
    private readonly topic: string,
  ) {}

  /** Connect and make sure of the topic: one that a broker makes up has the wrong clock and too few partitions. */
  static async connect(brokers: string[], topic: string, more: Partial<KafkaConfig> = {}): Promise<Publisher> {
    const kafka = new Kafka({ clientId: "gateway", brokers, retry: RETRY, logLevel: logLevel.NOTHING, ...more });
    const admin = kafka.admin();
    await admin.connect();
    try {
      if (!(await admin.listTopics()).includes(topic)) throw new NoTopic(topic);
    } finally {
      await admin.disconnect();
    }
    const producer = kafka.producer({
      idempotent: true, // with it kafkajs insists on acks=all
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: partitioner,
    });
    await producer.connect();
    return new Publisher(producer, topic);
  }

  /** Begin a request. Its start, when it goes upstream, is now unless told. */
  open(about: About): Request {
    checkRequest(about);
    return new Request(this, { ...about, start_timestamp: about.start_timestamp ?? about.timestamp ?? now() });
  }

  /** Wait until Kafka has every chunk, at most so many ms; throws with how many it has not, which count as failed. */
  async close(ms: number): Promise<void> {
    await within(ms, this.sending);
    this.failed += this.pending;
    await within(1_000, this.producer.disconnect().catch(() => undefined)); // it may wait for brokers that are gone
    if (this.failed > 0) {
      throw new Error(`${this.failed} chunks were not delivered: ${text(this.cause ?? "no time left")}`);
    }
  }

  /** Hand over a chunk; waits for room until `patience` is aborted. Resolves before Kafka has it. */
  async send(key: string, value: string, patience?: AbortSignal): Promise<void> {
    const message = { key: Buffer.from(key), value: Buffer.from(value) };
    if (message.value.length > MESSAGE_BYTES) throw new Refused("larger than the topic takes");
    while (this.used > 0 && this.used + size(message) > BUFFER_BYTES) await this.room(patience);
    this.used += size(message);
    this.pending += 1;
    this.queue.push(message);
    this.sending ??= this.drain();
  }

  /** One batch after the other, each of what came in while the one before was on its way. */
  private async drain(): Promise<void> {
    await new Promise(setImmediate); // the chunks of this turn of the loop go together
    while (this.queue.length > 0) {
      const messages = this.batch();
      try {
        await this.deliver(messages);
        this.delivered += messages.length;
      } catch (error) {
        this.failed += messages.length;
        this.cause ??= error;
      }
      this.pending -= messages.length;
      for (const message of messages) this.used -= size(message);
      for (const wake of this.waiting.splice(0)) wake();
    }
    this.sending = undefined;
  }

  /** Kafkajs' own retries grow apart, and some failures end them: ours go on at one pace. Repeats do no harm. */
  private async deliver(messages: Message[]): Promise<void> {
    for (const end = Date.now() + DELIVERY_MS; ; ) {
      try {
        await this.producer.send({ topic: this.topic, acks: -1, compression: CompressionTypes.GZIP, messages });
        return;
      } catch (error) {
        if (Date.now() > end || (error instanceof KafkaJSProtocolError && !error.retriable)) throw error;
        await within(PAUSE_MS, new Promise(() => undefined));
      }
    }
  }

  private batch(): Message[] {
    let bytes = 0;
    let count = 0;
    for (const message of this.queue) {
      bytes += size(message);
      if (count > 0 && bytes > BATCH_BYTES) break;
      count += 1;
    }
    return this.queue.splice(0, count);
  }

  private async room(patience?: AbortSignal): Promise<void> {
    if (patience?.aborted) throw new Full();
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => reject(new Full());
      patience?.addEventListener("abort", stop, { once: true });
      this.waiting.push(() => {
        patience?.removeEventListener("abort", stop);
        resolve();
      });
    });
  }
}

/** One stream: numbers the chunks and puts the envelope around them. */
export class Request {
  private next = new Map<string, number>(); // first index that is free, by attempt and image
  private errors = new Map<number, number>(); // the same of errors, by attempt
  private attempt = 0; // the highest
  private began = false;

  constructor(
    private readonly publisher: Publisher,
    private readonly about: About,
  ) {}

  /**
   * Send a chunk with a payload, an error or an end marker. `patience` bounds the wait for room, nothing else. Once a
   * chunk with is_final is accepted the request is over.
   */
  async publish(chunk: Chunk, patience?: AbortSignal): Promise<void> {
    checkLabels(chunk.labels);
    const { request_id, stream_type, provider, model, labels, start_timestamp, raw_request } = this.about;
    const ends = !this.began || chunk.is_final === true; // twice, should one of them be lost
    const whole: Chunk = {
      ...chunk,
      schema_version: 1,
      request_id,
      stream_type,
      chunk_index: this.number(chunk), // before any wait, and used up whatever comes of it
      timestamp: chunk.timestamp ?? now(),
      provider: chunk.provider ?? provider ?? null,
      model: chunk.model ?? model ?? null,
      ...(ends ? { start_timestamp: chunk.start_timestamp ?? start_timestamp ?? null } : {}),
      ...(ends ? { labels: chunk.labels ?? labels ?? {} } : {}),
      ...(this.began ? {} : { raw_request: chunk.raw_request ?? raw_request ?? null }),
    };
    this.began = true;
    await this.publisher.send(request_id, JSON.stringify(whole), patience);
  }

  /** End the request because its client went away or it was aborted, with what was delivered until then. */
  async cancel(why: string, patience?: AbortSignal): Promise<void> {
    const error = { is_bifrost_error: true, error: { type: "request_cancelled", message: why } };
    await this.publish({ error, is_final: true, attempt: this.attempt }, patience);
  }

  /**
   * A chunk's place, counted by attempt and, of images, by image; a bare marker stands at the end of the highest
   * attempt; an error stands above all and takes no place.
   */
  private number(chunk: Chunk): number {
    const failed = chunk.error != null;
    const bare = !failed && chunk.response == null;
    const attempt = chunk.attempt ?? (bare ? this.attempt : 0);
    const place = `${attempt} ${chunk.image_index ?? ""}`;
    this.attempt = Math.max(this.attempt, attempt);
    if (failed) {
      const index = chunk.chunk_index ?? Math.max(this.errors.get(attempt) ?? 0, this.above(attempt));
      this.errors.set(attempt, Math.max(this.errors.get(attempt) ?? 0, index + 1));
      return index;
    }
    const index = chunk.chunk_index ?? this.next.get(place) ?? 0;
    this.next.set(place, Math.max(this.next.get(place) ?? 0, index + 1));
    return index;
  }

  private above(attempt: number): number {
    const free = [...this.next].filter(([place]) => place.startsWith(`${attempt} `)).map(([, index]) => index);
    return Math.max(0, ...free);
  }
}

function checkRequest({ request_id, stream_type, labels }: About): void {
  const bytes = typeof request_id === "string" ? Buffer.byteLength(request_id) : 0;
  if (bytes < 1 || bytes > 512) throw new Refused("request_id: 1 to 512 bytes of UTF-8");
  if (/[\p{Cc}\p{Cs}]/u.test(request_id)) {
    throw new Refused("request_id: no control characters or halves of a character");
  }
  if (!STREAM_TYPES.has(stream_type)) throw new Refused("stream_type: one of the six, in the first chunk of a request");
  checkLabels(labels);
}

function checkLabels(labels: Record<string, string> | undefined): void {
  const pairs = Object.entries(labels ?? {});
  if (pairs.length > 32) throw new Refused("labels: 32 at most");
  for (const [key, value] of pairs) {
    if (typeof value !== "string") throw new Refused("labels: values are strings");
    if (Buffer.byteLength(key) > 64 || Buffer.byteLength(value) > 256) {
      throw new Refused("labels: a key has 64 bytes at most, a value 256");
    }
  }
}

function size({ key, value }: Message): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + CHUNK_BYTES;
}

async function within(ms: number, work: Promise<unknown> | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

export function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const now = (): string => new Date().toISOString();
