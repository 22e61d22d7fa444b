package main

import (
	"context"
	"errors"
	"sync"
)

// ErrFull says that there was no room for a chunk within the caller's time. The chunk is lost, and its index is used up,
// so that the record of its request says which one is missing.
var ErrFull = errors.New("the buffer is full: Kafka is away or slower than the streams")

// room bounds the bytes that are accepted and not yet acknowledged. The client's own bounds are not used: it waits by
// the same context that it would cancel the chunk by, and a chunk must outlive its caller's patience.
type room struct {
	mutex sync.Mutex
	limit int
	used  int
	freed chan struct{} // closed when some is given back; nil while nobody waits
}

// take waits until size fits, or until ctx is done. A chunk larger than the whole is taken when nothing else is there.
func (r *room) take(ctx context.Context, size int) error {
	for {
		r.mutex.Lock()
		if r.used == 0 || r.used+size <= r.limit {
			r.used += size
			r.mutex.Unlock()
			return nil
		}
		if r.freed == nil {
			r.freed = make(chan struct{})
		}
		freed := r.freed
		r.mutex.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return ErrFull
		}
	}
}

func (r *room) give(size int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.used -= size
	if r.freed != nil {
		close(r.freed)
		r.freed = nil
	}
}
