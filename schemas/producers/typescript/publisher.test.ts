import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { partitioner } from "./publisher.js";

interface Vectors {
  counts: number[];
  keys: { key: string; partitions: number[] }[];
}

const path = process.env["PARTITIONS_JSON"] ?? "../partitions.json";
const { counts, keys } = JSON.parse(readFileSync(path, "utf8")) as Vectors;

for (const [column, count] of counts.entries()) {
  test(`keys land on the partitions of the contract: ${count} partitions`, () => {
    const place = partitioner();
    const metadata = { partitionErrorCode: 0, leader: 0, replicas: [], isr: [] };
    const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({ ...metadata, partitionId }));
    for (const { key, partitions } of keys) {
      const message = { key: Buffer.from(key), value: null };
      assert.equal(place({ topic: "llm.chunks", partitionMetadata, message }), partitions[column], key);
    }
  });
}
