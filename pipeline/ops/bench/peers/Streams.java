import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Instant;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The Kafka Streams peer: joins the text of choice 0 in a cached RocksDB store, exactly once, on one thread.
 *
 * <p>Arguments: servers, source topic, target topic, state directory, commit interval in ms. Says "first SECONDS" when
 * it begins its first chunk.
 */
public final class Streams {
  private static final String STORE = "texts";

  private Streams() {}

  /** Joins the chunks of a request and passes its text on with the last one. */
  private static final class Join implements Processor<String, byte[], String, String> {
    private static boolean told;

    private final ObjectMapper json = new ObjectMapper();
    private ProcessorContext<String, String> out;
    private KeyValueStore<String, String> texts;

    @Override
    public void init(ProcessorContext<String, String> context) {
      out = context;
      texts = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<String, byte[]> chunk) {
      if (!told) {
        told = true;
        System.out.println("first " + Instant.now().toEpochMilli() / 1000.0);
      }
      JsonNode choice = read(chunk.value()).path("response").path("choices").path(0);
      String added = choice.path("delta").path("content").asText("");
      String before = texts.get(chunk.key());
      String text = before == null ? added : before.concat(added);
      if (choice.path("finish_reason").isTextual()) {
        texts.delete(chunk.key());
        out.forward(new Record<>(chunk.key(), text, chunk.timestamp()));
      } else {
        texts.put(chunk.key(), text);
      }
    }

    private JsonNode read(byte[] value) {
      try {
        return json.readTree(value);
      } catch (java.io.IOException error) {
        throw new java.io.UncheckedIOException(error);
      }
    }
  }

  /** Runs until it is killed. */
  public static void main(String[] arguments) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[2]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[3]);
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, arguments[4]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    settings.put("auto.offset.reset", "earliest");

    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), Serdes.String(), Serdes.String())
            .withCachingEnabled());
    builder.stream(arguments[1], Consumed.with(Serdes.String(), Serdes.ByteArray()))
        .process(Join::new, STORE)
        .to(arguments[2], Produced.with(Serdes.String(), Serdes.String()));

    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }
}
