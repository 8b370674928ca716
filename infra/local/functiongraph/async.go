package functiongraph

import (
	"context"
	"fmt"
	"time"
)

// AsyncStatus is where an asynchronous invocation stands, in the words of the service's API (ListAsyncInvocations).
type AsyncStatus string

// The statuses of an asynchronous invocation.
const (
	AsyncWait    AsyncStatus = "WAIT" // before its first try, and between two
	AsyncRunning AsyncStatus = "RUNNING"
	AsyncSuccess AsyncStatus = "SUCCESS"
	AsyncFail    AsyncStatus = "FAIL"    // the last try failed
	AsyncDiscard AsyncStatus = "DISCARD" // the service gave it up: no instance was free, or the function was removed
)

// AsyncInvocation is an asynchronous invocation and how far it is.
type AsyncInvocation struct {
	RequestID string
	Status    AsyncStatus
	Attempts  int    // tries so far
	Result    Result // of the last try; an answer of more than 256 KB is dropped
}

// InvokeAsync queues an event of a trigger and returns its request id at once. A try that fails is followed by others as the
// function's policy says, with the same request id. Errors: ErrRequestTooLarge, ErrRemoved.
func (d *Deployment) InvokeAsync(payload []byte) (requestID string, err error) {
	if len(payload) > maxAsyncRequest {
		return "", fmt.Errorf("invoke function %q asynchronously: %w: %d bytes, at most %d",
			d.function.Name, ErrRequestTooLarge, len(payload), maxAsyncRequest)
	}
	if !d.begin() {
		return "", fmt.Errorf("invoke function %q asynchronously: %w", d.function.Name, ErrRemoved)
	}
	requestID = d.service.opts.NewRequestID()
	d.mu.Lock()
	d.async[requestID] = &AsyncInvocation{RequestID: requestID, Status: AsyncWait}
	d.pending++
	d.mu.Unlock()
	go func() {
		defer d.running.Done()
		defer d.settled()
		d.try(requestID, payload)
	}()
	return requestID, nil
}

// try runs an asynchronous invocation until a try goes well or the policy allows no other.
func (d *Deployment) try(requestID string, payload []byte) {
	for attempt := 1; ; attempt++ {
		d.update(requestID, func(a *AsyncInvocation) { a.Status, a.Attempts = AsyncRunning, attempt })
		result, err := d.run(requestID, payload, "async")
		if len(result.Payload) > maxAsyncAnswer {
			result.Payload = nil
		}
		status := AsyncSuccess
		switch {
		case err != nil:
			status = AsyncDiscard
		case result.FunctionError != nil && attempt <= d.function.AsyncRetries:
			status = AsyncWait
		case result.FunctionError != nil:
			status = AsyncFail
		}
		d.update(requestID, func(a *AsyncInvocation) { a.Status, a.Result = status, result })
		if status != AsyncWait {
			return
		}
		timer := time.NewTimer(d.service.opts.AsyncRetryDelay)
		select {
		case <-timer.C:
		case <-d.ctx.Done():
			timer.Stop()
			d.update(requestID, func(a *AsyncInvocation) { a.Status = AsyncDiscard })
			return
		}
	}
}

func (d *Deployment) update(requestID string, change func(*AsyncInvocation)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d.async[requestID])
}

// settled counts an asynchronous invocation out and wakes who waits for the last one.
func (d *Deployment) settled() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pending--
	if d.pending == 0 {
		for _, w := range d.waiting {
			close(w)
		}
		d.waiting = nil
	}
}

// Async tells where an asynchronous invocation stands.
func (d *Deployment) Async(requestID string) (AsyncInvocation, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, ok := d.async[requestID]
	if !ok {
		return AsyncInvocation{}, false
	}
	return *a, true
}

// Wait returns when no asynchronous invocation is waiting or running. Errors: those of ctx.
func (d *Deployment) Wait(ctx context.Context) error {
	d.mu.Lock()
	if d.pending == 0 {
		d.mu.Unlock()
		return nil
	}
	w := make(chan struct{})
	d.waiting = append(d.waiting, w)
	d.mu.Unlock()
	select {
	case <-w:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the asynchronous invocations of function %q: %w", d.function.Name, ctx.Err())
	}
}
