package main

import (
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestKeysLandOnThePartitionsOfTheContract holds the client's partitioner to ../partitions.json.
func TestKeysLandOnThePartitionsOfTheContract(t *testing.T) {
	text, err := os.ReadFile(or(os.Getenv("PARTITIONS_JSON"), "../partitions.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Counts []int
		Keys   []struct {
			Key        string
			Partitions []int
		}
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for column, count := range vectors.Counts {
		t.Run(strconv.Itoa(count), func(t *testing.T) {
			place := partitioner.ForTopic("llm.chunks")
			for _, vector := range vectors.Keys {
				record := &kgo.Record{Key: []byte(vector.Key)}
				if found := place.Partition(record, count); found != vector.Partitions[column] {
					t.Errorf("%q: partition %d, not %d", vector.Key, found, vector.Partitions[column])
				}
			}
		})
	}
}
