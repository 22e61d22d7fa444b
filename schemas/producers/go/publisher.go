package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	bufferBytes = 64 << 20 // accepted and not yet acknowledged; past it Publish waits for room
	chunkBytes  = 256      // what a chunk costs beside its key and value, at least
	batchBytes  = 16 << 20 // what the topic takes in one message; what is oversize the worker decides
	linger      = 5 * time.Millisecond
	delivery    = 2 * time.Minute // tries of one chunk: covers the election of a new leader
)

// partitioner is named, though franz-go's default places keys alike, because everything depends on it: the murmur2 hash of
// the key without its sign, modulo the number of partitions, as Kafka's Java client has it.
var partitioner = kgo.StickyKeyPartitioner(nil)

// Chunk is one message of the contract. What is left out of it, Request.Publish fills in.
type Chunk struct {
	SchemaVersion  int               `json:"schema_version,omitempty"`
	RequestID      string            `json:"request_id"`
	StreamType     string            `json:"stream_type"`
	ChunkIndex     *int64            `json:"chunk_index,omitempty"`
	Timestamp      string            `json:"timestamp,omitempty"`
	StartTimestamp string            `json:"start_timestamp,omitempty"`
	Provider       string            `json:"provider,omitempty"`
	Model          string            `json:"model,omitempty"`
	IsFinal        bool              `json:"is_final,omitempty"`
	ImageIndex     *int64            `json:"image_index,omitempty"`
	Attempt        *int64            `json:"attempt,omitempty"`
	Cost           *json.Number      `json:"cost,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	Response       json.RawMessage   `json:"response,omitempty"`
	Error          json.RawMessage   `json:"error,omitempty"`
	RawRequest     json.RawMessage   `json:"raw_request,omitempty"`
}

// Publisher sends the chunks of many requests over one idempotent client. Safe for concurrent use.
type Publisher struct {
	client    *kgo.Client
	room      room
	delivered atomic.Int64
	failed    atomic.Int64
	first     sync.Once
	cause     error
}

// NewPublisher connects and makes sure of the topic. Options for TLS and SASL go into more.
func NewPublisher(ctx context.Context, brokers []string, topic string, more ...kgo.Opt) (*Publisher, error) {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(brokers...),
		kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(partitioner),
		kgo.RequiredAcks(kgo.AllISRAcks()), // with it, and unless disabled, the client is idempotent
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(batchBytes),
		kgo.ProducerLinger(linger),
		kgo.MaxBufferedRecords(bufferBytes/chunkBytes + 1), // never reached: see room
		kgo.RecordDeliveryTimeout(delivery),
	}, more...)...)
	if err != nil {
		return nil, err
	}
	if err := exists(ctx, client, topic); err != nil {
		client.Close()
		return nil, err
	}
	return &Publisher{client: client, room: room{limit: bufferBytes}}, nil
}

// exists asks without letting the broker make the topic up: such a topic has the wrong clock and too few partitions.
func exists(ctx context.Context, client *kgo.Client, topic string) error {
	request := kmsg.NewPtrMetadataRequest()
	request.AllowAutoTopicCreation = false
	wanted := kmsg.NewMetadataRequestTopic()
	wanted.Topic = kmsg.StringPtr(topic)
	request.Topics = append(request.Topics, wanted)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(answer.Topics[0].ErrorCode)
}

// Close waits until Kafka has every chunk, for as long as ctx lasts, and says what it has not.
func (p *Publisher) Close(ctx context.Context) error {
	err := p.client.Flush(ctx)
	p.client.Close() // what is still buffered fails now and is counted
	if failed := p.failed.Load(); failed > 0 {
		return fmt.Errorf("%d chunks were not delivered: %w", failed, p.cause)
	}
	return err
}

// Delivered counts chunks that Kafka has.
func (p *Publisher) Delivered() int64 { return p.delivered.Load() }

// Failed counts chunks that Kafka did not take.
func (p *Publisher) Failed() int64 { return p.failed.Load() }

// send hands over a chunk. ctx bounds the wait and no more: a request whose client went away, and with it the context,
// still has an end to deliver.
func (p *Publisher) send(ctx context.Context, key, value []byte) error {
	size := len(key) + len(value) + chunkBytes
	if err := p.room.take(ctx, size); err != nil {
		return err
	}
	record := &kgo.Record{Key: key, Value: value}
	p.client.Produce(context.WithoutCancel(ctx), record, func(_ *kgo.Record, err error) {
		p.room.give(size)
		if err == nil {
			p.delivered.Add(1)
			return
		}
		p.first.Do(func() { p.cause = err })
		p.failed.Add(1)
	})
	return nil
}

// Request is one stream: it numbers the chunks and puts the envelope around them. One goroutine at a time.
type Request struct {
	publisher *Publisher
	about     Chunk
	next      map[place]int64 // first index that is free, by attempt and image
	errors    map[int64]int64 // the same of errors, by attempt
	attempt   int64           // the highest
	began     bool
}

type place struct{ attempt, image int64 }

const noImage = -1

// Open begins a request. about has its id, stream type and, if known, provider, model, labels, raw_request and the
// time at which it goes upstream, which is now unless told.
func (p *Publisher) Open(about Chunk) (*Request, error) {
	if err := valid(about); err != nil {
		return nil, err
	}
	about.StartTimestamp = or(about.StartTimestamp, or(about.Timestamp, now()))
	about.SchemaVersion = 1
	return &Request{publisher: p, about: about, next: map[place]int64{}, errors: map[int64]int64{}}, nil
}

// Publish sends a chunk with a payload, an error or an end marker. ctx bounds the wait for room, nothing else. Once a
// chunk with IsFinal is accepted the request is over.
func (r *Request) Publish(ctx context.Context, chunk Chunk) error {
	if err := validLabels(chunk.Labels); err != nil {
		return err
	}
	chunk.SchemaVersion, chunk.RequestID, chunk.StreamType = 1, r.about.RequestID, r.about.StreamType
	chunk.Provider = or(chunk.Provider, r.about.Provider)
	chunk.Model = or(chunk.Model, r.about.Model)
	chunk.Timestamp = or(chunk.Timestamp, now())
	if !r.began || chunk.IsFinal { // twice, should one of them be lost
		chunk.StartTimestamp = or(chunk.StartTimestamp, r.about.StartTimestamp)
		if chunk.Labels == nil {
			chunk.Labels = r.about.Labels
		}
	}
	if !r.began && chunk.RawRequest == nil {
		chunk.RawRequest = r.about.RawRequest
	}
	r.number(&chunk)
	r.began = true
	value, err := encoded(chunk)
	if err != nil {
		return err
	}
	return r.publisher.send(ctx, []byte(chunk.RequestID), value)
}

// Cancel ends the request because its client went away or its context ended, with what was delivered until then.
func (r *Request) Cancel(ctx context.Context, why string) error {
	body, err := json.Marshal(map[string]any{
		"is_bifrost_error": true,
		"error":            map[string]any{"type": "request_cancelled", "message": why},
	})
	if err != nil {
		return err
	}
	return r.Publish(ctx, Chunk{Error: body, IsFinal: true, Attempt: attemptOf(r.attempt)})
}

// number gives a chunk its place: counted by attempt and, of images, by image; a bare marker stands at the end of the
// highest attempt; an error stands above all and takes no place.
func (r *Request) number(chunk *Chunk) {
	at := place{0, noImage}
	failed := present(chunk.Error)
	if chunk.Attempt != nil {
		at.attempt = *chunk.Attempt
	} else if !failed && !present(chunk.Response) {
		at.attempt = r.attempt
	}
	r.attempt = max(r.attempt, at.attempt)
	if chunk.ImageIndex != nil {
		at.image = *chunk.ImageIndex
	}
	if chunk.ChunkIndex == nil {
		index := r.next[at]
		if failed {
			index = max(r.errors[at.attempt], r.above(at.attempt))
		}
		chunk.ChunkIndex = &index
	}
	if free := *chunk.ChunkIndex + 1; failed {
		r.errors[at.attempt] = max(r.errors[at.attempt], free)
	} else {
		r.next[at] = max(r.next[at], free)
	}
}

// above is the first index of an attempt that none of its images has used.
func (r *Request) above(attempt int64) int64 {
	index := int64(0)
	for at, free := range r.next {
		if at.attempt == attempt {
			index = max(index, free)
		}
	}
	return index
}

var streamTypes = []string{
	"text.completion", "chat.completion", "audio.speech", "image.generation", "audio.transcription", "responses",
}

// valid refuses what would only become a dead letter, as long as somebody is there to hear it.
func valid(about Chunk) error {
	id := about.RequestID
	switch {
	case len(id) < 1 || len(id) > 512:
		return errors.New("request_id: 1 to 512 bytes of UTF-8")
	case !utf8.ValidString(id) || slices.ContainsFunc([]rune(id), odd):
		return errors.New("request_id: no control characters or halves of a character")
	case !slices.Contains(streamTypes, about.StreamType):
		return errors.New("stream_type: one of the six, in the first chunk of a request")
	}
	return validLabels(about.Labels)
}

func validLabels(labels map[string]string) error {
	if len(labels) > 32 {
		return errors.New("labels: 32 at most")
	}
	for key, value := range labels {
		if len(key) > 64 || len(value) > 256 {
			return errors.New("labels: a key has 64 bytes at most, a value 256")
		}
	}
	return nil
}

// odd is also true of U+FFFD, into which encoding/json turns what is no Unicode: two such ids could become one.
func odd(character rune) bool { return unicode.IsControl(character) || character == utf8.RuneError }

// encoded leaves payloads as they came: json.Marshal would write <, > and & of every answer as \u003c and so on.
func encoded(chunk Chunk) ([]byte, error) {
	var value bytes.Buffer
	encoder := json.NewEncoder(&value)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(chunk)
	return bytes.TrimSuffix(value.Bytes(), []byte{'\n'}), err
}

func present(value json.RawMessage) bool { return len(value) > 0 && string(value) != "null" }

func attemptOf(number int64) *int64 {
	if number == 0 {
		return nil
	}
	return &number
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00") }
