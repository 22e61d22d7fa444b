package producer;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Sends the chunks of many requests over one idempotent producer. Safe for concurrent use.
 *
 * <p>Needs org.apache.kafka:kafka-clients and com.fasterxml.jackson.core:jackson-databind.
 */
public final class Publisher implements AutoCloseable {

    /** Reads and writes JSON without changing a number, and writes half a character as an escape instead of failing. */
    public static final ObjectMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
            .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
            .disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET)
            .build();

    private static final Set<String> STREAM_TYPES = Set.of(
            "text.completion", "chat.completion", "audio.speech", "image.generation", "audio.transcription", "responses");
    private static final int NO_IMAGE = -1;

    private final KafkaProducer<byte[], byte[]> producer;
    private final String topic;
    private final AtomicLong delivered = new AtomicLong();
    private final AtomicLong failed = new AtomicLong();
    private final AtomicReference<Exception> cause = new AtomicReference<>();

    /**
     * Connects and makes sure of the topic: one that a broker makes up has the wrong clock and too few partitions.
     *
     * @param patience how long a caller waits for room in the buffer when Kafka is away; a gateway's is some 50 ms
     * @param more properties of the clients: TLS, SASL
     * @throws UnknownTopicOrPartitionException if there is no such topic
     * @throws KafkaException if no Kafka answers
     */
    public Publisher(String brokers, String topic, Duration patience, Map<String, String> more) {
        this.topic = topic;
        Map<String, Object> connection = new HashMap<>(more);
        connection.put("bootstrap.servers", brokers);
        exists(connection, topic);
        Map<String, Object> settings = new HashMap<>(connection);
        // No partitioner.class: without one the key decides, by murmur2.
        settings.put("acks", "all");
        settings.put("enable.idempotence", true);
        settings.put("compression.type", "zstd");
        settings.put("linger.ms", 5);
        settings.put("batch.size", 256 << 10);
        settings.put("buffer.memory", 64L << 20);
        settings.put("max.request.size", (16 << 20) + (64 << 10)); // the topic's limit; what is oversize the worker decides
        settings.put("max.block.ms", patience.toMillis());
        // By default the client forgets all partitions when no broker answers, and each chunk then waits max.block.ms and
        // fails, instead of going into the buffer.
        settings.put("metadata.recovery.strategy", "none");
        settings.put("delivery.timeout.ms", 120_000); // covers the election of a new leader
        producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        learn(Duration.ofSeconds(10));
    }

    /** Asks as an admin: a producer's own question would make the topic up where the broker allows it. */
    private static void exists(Map<String, Object> connection, String topic) {
        Map<String, Object> settings = new HashMap<>(connection);
        settings.put("default.api.timeout.ms", 5_000);
        settings.put("request.timeout.ms", 5_000);
        try (Admin admin = Admin.create(settings)) {
            admin.describeTopics(List.of(topic)).allTopicNames().get(15, TimeUnit.SECONDS);
        } catch (ExecutionException wrong) {
            throw wrong.getCause() instanceof KafkaException known ? known : new KafkaException(wrong.getCause());
        } catch (java.util.concurrent.TimeoutException late) {
            throw new TimeoutException("no answer");
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
            throw new KafkaException("interrupted while connecting", stopped);
        }
    }

    /** Partitions have to be known before the first chunk, whose caller waits no longer than max.block.ms. */
    private void learn(Duration most) {
        long end = System.nanoTime() + most.toNanos();
        while (true) {
            try {
                producer.partitionsFor(topic);
                return;
            } catch (TimeoutException late) {
                if (System.nanoTime() > end) {
                    producer.close(Duration.ZERO);
                    throw late;
                }
            }
        }
    }

    /**
     * Begins a request.
     *
     * @param about its request_id, stream_type and, if known, provider, model, labels, raw_request and start_timestamp,
     *     which is now unless told
     * @throws IllegalArgumentException if its chunks would only become dead letters
     */
    public Request open(JsonNode about) {
        check(about);
        return new Request(about);
    }

    public long delivered() {
        return delivered.get();
    }

    public long failed() {
        return failed.get();
    }

    /** Why the first chunk that failed did. */
    public Exception cause() {
        return cause.get();
    }

    /** Waits until Kafka has every chunk, 30 s at most; what it has not counts as failed then. */
    @Override
    public void close() {
        uninterrupted(() -> producer.close(Duration.ofSeconds(30)));
    }

    private void send(String key, byte[] value) {
        var message = new ProducerRecord<>(topic, key.getBytes(UTF_8), value);
        uninterrupted(() -> producer.send(message, (place, wrong) -> {
            if (wrong == null) {
                delivered.incrementAndGet();
            } else {
                cause.compareAndSet(null, wrong);
                failed.incrementAndGet();
            }
        }));
    }

    /** The client refuses to work in an interrupted thread, which is what a cancelled stream leaves behind. */
    private static void uninterrupted(Runnable work) {
        boolean interrupted = Thread.interrupted();
        try {
            work.run();
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** One stream: numbers the chunks and puts the envelope around them. */
    public final class Request {
        private record Place(long attempt, long image) {}

        private final JsonNode about;
        private final JsonNode start;
        private final Map<Place, Long> next = new HashMap<>(); // first index that is free
        private final Map<Long, Long> errors = new HashMap<>(); // the same of errors, by attempt
        private long attempt; // the highest
        private boolean began;

        private Request(JsonNode about) {
            this.about = about;
            String time = about.path("timestamp").asText(now());
            start = TextNode.valueOf(about.path("start_timestamp").asText(time));
        }

        /**
         * Sends a chunk with a payload (response), an error or an end marker (is_final); what is left out of it is filled
         * in. Once one with is_final is accepted the request is over.
         *
         * @throws IllegalArgumentException if it would only become a dead letter
         */
        public synchronized void publish(ObjectNode chunk) {
            checkLabels(chunk.path("labels"));
            ObjectNode whole = chunk.deepCopy();
            whole.put("schema_version", 1);
            whole.set("request_id", about.get("request_id"));
            whole.set("stream_type", about.get("stream_type"));
            whole.put("chunk_index", number(chunk));
            otherwise(whole, "timestamp", TextNode.valueOf(now()));
            otherwise(whole, "provider", about.get("provider"));
            otherwise(whole, "model", about.get("model"));
            if (!began || chunk.path("is_final").asBoolean()) { // twice, should one of them be lost
                otherwise(whole, "labels", about.get("labels"));
                otherwise(whole, "start_timestamp", start);
            }
            if (!began) {
                otherwise(whole, "raw_request", about.get("raw_request"));
            }
            began = true;
            send(about.get("request_id").textValue(), encoded(whole));
        }

        /** Ends the request because its client went away or was interrupted, with what was delivered until then. */
        public synchronized void cancel(String why) {
            ObjectNode chunk = JSON.createObjectNode().put("is_final", true).put("attempt", attempt);
            ObjectNode error = chunk.putObject("error").put("is_bifrost_error", true);
            error.putObject("error").put("type", "request_cancelled").put("message", why);
            publish(chunk);
        }

        /**
         * A chunk's place, counted by attempt and, of images, by image; a bare marker stands at the end of the highest
         * attempt; an error stands above all and takes no place.
         */
        private long number(JsonNode chunk) {
            boolean fails = chunk.hasNonNull("error");
            boolean bare = !fails && !chunk.hasNonNull("response");
            long tried = chunk.path("attempt").asLong(bare ? attempt : 0);
            attempt = Math.max(attempt, tried);
            Place place = new Place(tried, chunk.path("image_index").asLong(NO_IMAGE));
            long free = next.getOrDefault(place, 0L);
            if (fails) {
                free = Math.max(errors.getOrDefault(tried, 0L), above(tried));
            }
            long index = chunk.path("chunk_index").asLong(free);
            if (fails) {
                errors.merge(tried, index + 1, Math::max);
            } else {
                next.merge(place, index + 1, Math::max);
            }
            return index;
        }

        private long above(long tried) {
            return next.entrySet().stream()
                    .filter(each -> each.getKey().attempt() == tried)
                    .mapToLong(Map.Entry::getValue)
                    .max()
                    .orElse(0);
        }
    }

    /** What a chunk has in the place of an absent or null field. */
    private static void otherwise(ObjectNode chunk, String name, JsonNode value) {
        if (!chunk.hasNonNull(name)) {
            chunk.remove(name);
            if (value != null) {
                chunk.set(name, value);
            }
        }
    }

    private static void check(JsonNode about) {
        String id = about.path("request_id").asText("");
        int bytes = id.getBytes(UTF_8).length;
        if (!about.path("request_id").isTextual() || bytes < 1 || bytes > 512) {
            throw new IllegalArgumentException("request_id: 1 to 512 bytes of UTF-8");
        }
        if (id.codePoints().anyMatch(each -> Character.isISOControl(each) || half(each))) {
            throw new IllegalArgumentException("request_id: no control characters or halves of a character");
        }
        if (!STREAM_TYPES.contains(about.path("stream_type").asText(""))) {
            throw new IllegalArgumentException("stream_type: one of the six, in the first chunk of a request");
        }
        checkLabels(about.path("labels"));
    }

    private static boolean half(int codePoint) {
        return codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE;
    }

    private static void checkLabels(JsonNode labels) {
        if (labels.size() > 32) {
            throw new IllegalArgumentException("labels: 32 at most");
        }
        for (Map.Entry<String, JsonNode> label : labels.properties()) {
            int key = label.getKey().getBytes(UTF_8).length;
            if (!label.getValue().isTextual() || key > 64 || label.getValue().textValue().getBytes(UTF_8).length > 256) {
                throw new IllegalArgumentException("labels: texts; a key has 64 bytes at most, a value 256");
            }
        }
    }

    private static byte[] encoded(ObjectNode chunk) {
        try {
            return JSON.writeValueAsBytes(chunk);
        } catch (JsonProcessingException wrong) {
            throw new IllegalArgumentException("cannot be written as JSON"); // the exception may quote content
        }
    }

    private static String now() {
        return Instant.now().toString();
    }
}
