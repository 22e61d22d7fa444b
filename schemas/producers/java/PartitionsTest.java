package producer;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.File;
import java.io.IOException;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;

/** Holds Kafka's own partitioner to partitions.json, whose path is the argument. */
final class PartitionsTest {
    public static void main(String[] arguments) throws IOException {
        JsonNode vectors = Publisher.JSON.readTree(new File(arguments[0]));
        int checked = 0;
        for (JsonNode vector : vectors.get("keys")) {
            byte[] key = vector.get("key").textValue().getBytes(UTF_8);
            for (int column = 0; column < vectors.get("counts").size(); column++) {
                int count = vectors.get("counts").get(column).intValue();
                int found = BuiltInPartitioner.partitionForKey(key, count);
                if (found != vector.get("partitions").get(column).intValue()) {
                    throw new AssertionError(vector + ": partition " + found + " of " + count);
                }
                checked++;
            }
        }
        System.out.println(checked);
    }
}
