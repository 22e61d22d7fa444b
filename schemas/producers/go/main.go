// Command producer publishes streams of LLM responses to Streamledger's chunk topic: a producer to start from.
//
// It reads chunks as JSON lines from standard input, of any number of requests at once. A line is a chunk of the
// contract; what it leaves out is filled in: chunk_index, timestamp, and after the first line of a request stream_type,
// provider and model. A line with "is_final": true ends its request; one that has no such line is ended as cancelled
// when the input ends or SIGTERM or SIGINT comes.
//
//	STREAMLEDGER_BOOTSTRAP_SERVERS=localhost:9092 producer < chunks.jsonl
//
// Exit codes: 0 all delivered, 1 lines were refused, 2 wrong use or no topic, 3 no Kafka or not all delivered, 143 and 130
// after a signal if all was delivered.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	connectSeconds = 5 * time.Second
	flushSeconds   = 30 * time.Second
	lineBytes      = 17 << 20 // a little over what the topic takes
)

func main() { os.Exit(run()) }

func run() int {
	brokers := setting("STREAMLEDGER_BOOTSTRAP_SERVERS", "localhost:9092")
	topic := setting("STREAMLEDGER_CHUNK_TOPIC", "llm.chunks")
	connecting, cancel := context.WithTimeout(context.Background(), connectSeconds)
	defer cancel()
	publisher, err := NewPublisher(connecting, strings.Split(brokers, ","), topic)
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		fmt.Fprintf(os.Stderr, "topic %s does not exist at %s; create it: streamledger topics\n", topic, brokers)
		return 2
	case err != nil:
		fmt.Fprintf(os.Stderr, "no Kafka at %s: %v\n", brokers, err)
		return 3
	}
	running, caught := untilSignal()
	streams := Streams{publisher: publisher, open: map[string]*Request{}}
	streams.follow(running, lines(os.Stdin))
	ending, stop := context.WithTimeout(context.Background(), flushSeconds)
	defer stop()
	streams.cancelAll(ending)
	failure := publisher.Close(ending)
	fmt.Printf(`{"requests": %d, "delivered": %d, "failed": %d, "refused": %d, "cancelled": %d}`+"\n",
		streams.requests, publisher.Delivered(), publisher.Failed(), streams.refused, streams.cancelled)
	switch {
	case failure != nil:
		fmt.Fprintln(os.Stderr, failure)
		return 3
	case streams.refused > 0:
		return 1
	}
	return int(caught.Load())
}

// untilSignal gives a context that a signal ends, and the exit code that this makes, which is 0 before.
func untilSignal() (context.Context, *atomic.Int32) {
	running, stop := context.WithCancel(context.Background())
	signals, code := make(chan os.Signal, 1), &atomic.Int32{}
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		if number, ok := (<-signals).(syscall.Signal); ok {
			code.Store(128 + int32(number))
		}
		stop()
	}()
	return running, code
}

// Streams are the requests that are open.
type Streams struct {
	publisher                    *Publisher
	open                         map[string]*Request
	requests, refused, cancelled int
}

// follow publishes line by line until the input ends or ctx does.
func (s *Streams) follow(ctx context.Context, lines <-chan line) {
	for number := 1; ; number++ {
		select {
		case <-ctx.Done():
			return
		case line, more := <-lines:
			if !more {
				return
			}
			err := line.err
			if err == nil {
				err = s.take(ctx, line.text)
			}
			if err != nil { // one bad line must not end the streams beside it
				s.refused++
				fmt.Fprintf(os.Stderr, "line %d: %v\n", number, err)
			}
		}
	}
}

// take publishes one line; a pipe may wait for room as long as it runs, a gateway gives its budget in the place of ctx.
func (s *Streams) take(ctx context.Context, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	var chunk Chunk
	if err := json.Unmarshal(text, &chunk); err != nil {
		return errors.New("no chunk: not a JSON object, or a field of the wrong type") // err may quote content
	}
	request := s.open[chunk.RequestID]
	if request == nil {
		opened, err := s.publisher.Open(chunk)
		if err != nil {
			return err
		}
		request = opened
		s.open[chunk.RequestID] = request
		s.requests++
	}
	if err := request.Publish(ctx, chunk); err != nil {
		return err
	}
	if chunk.IsFinal {
		delete(s.open, chunk.RequestID)
	}
	return nil
}

func (s *Streams) cancelAll(ctx context.Context) {
	for id, request := range s.open {
		s.cancelled++
		if err := request.Cancel(ctx, "the producer was stopped before the stream ended"); err != nil {
			s.refused++
			fmt.Fprintf(os.Stderr, "request %q has no end: %v\n", id, err)
		}
	}
}

type line struct {
	text []byte
	err  error
}

// lines reads in the background, so that a signal is heard while the input is silent.
func lines(source io.Reader) <-chan line {
	found := make(chan line)
	go func() {
		defer close(found)
		scanner := bufio.NewScanner(source)
		scanner.Buffer(make([]byte, 64<<10), lineBytes)
		for scanner.Scan() {
			found <- line{text: bytes.Clone(bytes.TrimSpace(scanner.Bytes()))}
		}
		if err := scanner.Err(); err != nil {
			found <- line{err: fmt.Errorf("the input ends here: %w", err)}
		}
	}()
	return found
}

func setting(name, otherwise string) string { return or(os.Getenv(name), otherwise) }
