package runtime

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

const (
	// lambdaMaxResponse is the size of the largest response that Lambda takes from a synchronous invocation, in bytes (documented
	// as 6 MB). aws-lambda-go ends the process when the runtime API refuses a response, so that it is checked before.
	lambdaMaxResponse = 6 << 20
	// lambdaPostTime is how long aws-lambda-go gets to send the last answer before the process ends. It gives no sign of
	// having sent it; the runtime API is on the same machine.
	lambdaPostTime = 250 * time.Millisecond
)

// runLambda hands the handler to aws-lambda-go, which polls Lambda's runtime API until the process ends.
func runLambda(ctx context.Context, i *invoker) int {
	h := &lambdaHandler{invoker: i}
	go lambda.StartWithOptions(h)
	<-ctx.Done()
	h.finish()
	return 0
}

// lambdaHandler is the handler in the form that aws-lambda-go passes bytes through untouched (lambda.Handler).
type lambdaHandler struct {
	invoker *invoker
	// running is held for reading by each invocation under way. Who holds it for writing knows that there is none.
	running sync.RWMutex
}

// Invoke runs the handler for one event. An error is always a messages.InvokeResponse_Error, because that is the only way to
// decide the errorType: aws-lambda-go takes the name of the Go type otherwise.
func (h *lambdaHandler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	h.running.RLock()
	defer h.running.RUnlock()

	inv := Invocation{Platform: Lambda, Payload: payload}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		inv.RequestID = lc.AwsRequestID
	}
	if deadline, ok := ctx.Deadline(); ok {
		inv.Deadline = deadline
	}
	body, failure := h.invoker.serve(ctx, inv, lambdaMaxResponse)
	if failure != nil {
		return nil, messages.InvokeResponse_Error{Message: failure.Message, Type: failure.Type}
	}
	return body, nil
}

// finish waits for the invocations under way and lets no other begin.
func (h *lambdaHandler) finish() {
	h.running.Lock()           // It stays locked: the process is about to end.
	time.Sleep(lambdaPostTime) //nolint:forbidigo // the process is ending, and nothing could cut this short
}
