package producer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/**
 * Publishes streams of LLM responses to Streamledger's chunk topic: a producer to start from.
 *
 * <p>It reads chunks as JSON lines from standard input, of any number of requests at once. A line is a chunk of the
 * contract; what it leaves out is filled in: chunk_index, timestamp, and after the first line of a request stream_type,
 * provider and model. A line with "is_final": true ends its request; one that has no such line is ended as cancelled when
 * the input ends or SIGTERM or SIGINT comes.
 *
 * <p>Exit codes: 0 all delivered, 1 lines were refused, 2 wrong use or no topic, 3 no Kafka or not all delivered, 143 and
 * 130 after a signal if all was delivered.
 */
public final class Main {
    private static final Duration PATIENCE = Duration.ofSeconds(60); // a pipe may wait; a gateway may not

    private final Publisher publisher;
    private final Map<String, Publisher.Request> open = new HashMap<>();
    private int requests;
    private int refused;
    private int cancelled;
    private boolean ended;
    private volatile boolean stopping;

    private Main(Publisher publisher) {
        this.publisher = publisher;
    }

    public static void main(String[] arguments) throws IOException {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "off"); // of the client's log, where it is slf4j-simple
        String brokers = System.getenv().getOrDefault("STREAMLEDGER_BOOTSTRAP_SERVERS", "localhost:9092");
        String topic = System.getenv().getOrDefault("STREAMLEDGER_CHUNK_TOPIC", "llm.chunks");
        Main streams;
        try {
            streams = new Main(new Publisher(brokers, topic, PATIENCE, Map.of()));
        } catch (UnknownTopicOrPartitionException missing) {
            System.err.printf("topic %s does not exist at %s; create it: streamledger topics%n", topic, brokers);
            System.exit(2);
            return;
        } catch (KafkaException absent) {
            System.err.printf("no Kafka at %s: %s%n", brokers, absent.getMessage());
            System.exit(3);
            return;
        }
        // On a signal the JVM runs this beside the reader, and ends with 128 + its number unless something is amiss.
        Runtime.getRuntime().addShutdownHook(new Thread(streams::stop));
        streams.follow(new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)));
        System.exit(streams.end());
    }

    /** Publishes line by line until the input ends. */
    private void follow(BufferedReader lines) throws IOException {
        int number = 0;
        for (String line = lines.readLine(); line != null && !stopping; line = lines.readLine()) {
            number++;
            try {
                if (!line.isBlank()) {
                    take(line);
                }
            } catch (IllegalArgumentException wrong) { // one bad line must not end the streams beside it
                refused++;
                System.err.printf("line %d: %s%n", number, wrong.getMessage());
            }
        }
    }

    private synchronized void take(String line) {
        if (ended) {
            return;
        }
        ObjectNode chunk = parsed(line);
        String id = chunk.path("request_id").asText("");
        Publisher.Request request = open.get(id);
        if (request == null) {
            request = publisher.open(chunk);
            open.put(id, request);
            requests++;
        }
        request.publish(chunk);
        if (chunk.path("is_final").asBoolean()) {
            open.remove(id);
        }
    }

    /** Ends what is open, waits for Kafka, says what came of it; the exit code. */
    private synchronized int end() {
        if (!ended) {
            ended = true;
            for (Publisher.Request request : open.values()) {
                request.cancel("the producer was stopped before the stream ended");
                cancelled++;
            }
            publisher.close();
            System.out.printf(
                    "{\"requests\": %d, \"delivered\": %d, \"failed\": %d, \"refused\": %d, \"cancelled\": %d}%n",
                    requests, publisher.delivered(), publisher.failed(), refused, cancelled);
            System.out.flush();
            if (publisher.failed() > 0) {
                System.err.printf("%d chunks were not delivered: %s%n", publisher.failed(), publisher.cause());
            }
        }
        return publisher.failed() > 0 ? 3 : refused > 0 ? 1 : 0;
    }

    private void stop() {
        stopping = true; // a chunk that waits for room holds the lock; the next one must not get it again
        int code = end();
        if (code != 0) {
            Runtime.getRuntime().halt(code);
        }
    }

    private static ObjectNode parsed(String line) {
        JsonNode chunk;
        try {
            chunk = Publisher.JSON.readTree(line);
        } catch (JsonProcessingException wrong) {
            chunk = null; // the exception quotes content
        }
        if (chunk instanceof ObjectNode found) {
            found.remove("_kafka");
            return found;
        }
        throw new IllegalArgumentException("no JSON object");
    }
}
