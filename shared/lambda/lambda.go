// Package lambda is AWS as the platform of the backup function: it starts the function through Lambda's API, and it reads and switches the schedules of
// EventBridge Scheduler that start it.
//
// What it guarantees: the state that it tells is the one that AWS has; a switched schedule keeps every other setting that it had, also those that this
// package has never heard of; a change is told as made only when the schedule shows it; and the function is not started twice because an answer was lost.
//
// Only schedules of EventBridge Scheduler that have the function as their templated target are seen. Rules of EventBridge, its older way to start a
// function by time, are not, nor is a schedule that calls Lambda's API as a universal target: what starts the function then is not in its target.
package lambda

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/schedule"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

// Options configure a Client. Function, Region (for a function that is named without an ARN), Credentials and Transport are required.
type Options struct {
	Function          string // name or ARN of the backup function, with or without a version or alias
	Region            string // of a function that is named without an ARN
	LambdaEndpoint    string // base URL; empty: the region's
	SchedulerEndpoint string // base URL; empty: the region's
	Credentials       signing.Credentials
	Transport         http.RoundTripper
	UserAgent         string

	// NewToken makes a text of 1 to 64 letters and digits that no other change has: two requests with one token are one change to AWS. It is random.
	NewToken func() string

	// Now, Sleep and Jitter are for tests; see signing.Options.
	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error
	Jitter func() float64
}

// Client calls AWS for one function. It is safe for concurrent use.
type Client struct {
	function  function
	lambda    *signing.Client
	scheduler *signing.Client
	newToken  func() string
	now       func() time.Time
	sleep     func(ctx context.Context, d time.Duration) error
}

// Client is a platform.
var _ schedule.Platform = (*Client)(nil)

// New checks the options and returns a client. It sends nothing.
func New(o Options) (*Client, error) {
	f, err := parseFunction(o.Function)
	if err != nil {
		return nil, fmt.Errorf("Lambda client: %w", err)
	}
	if f.region == "" {
		f.region = o.Region
	}
	if f.region == "" {
		return nil, fmt.Errorf("Lambda client: the region of the function %q is not known: name the function by its ARN, or set AWS_REGION", o.Function)
	}
	c := &Client{function: f, newToken: o.NewToken, now: o.Now, sleep: o.Sleep}
	if c.newToken == nil {
		c.newToken = rand.Text
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.sleep == nil {
		c.sleep = signing.Sleep
	}
	for _, api := range []struct {
		name, endpoint string
		to             **signing.Client
	}{{"lambda", o.LambdaEndpoint, &c.lambda}, {"scheduler", o.SchedulerEndpoint, &c.scheduler}} {
		if api.endpoint == "" {
			api.endpoint = regional(api.name, f.region)
		}
		*api.to, err = signing.NewClient(signing.Options{Endpoint: api.endpoint, Credentials: o.Credentials, Transport: o.Transport,
			Signer: signing.V4{Service: api.name, Region: f.region}, UserAgent: o.UserAgent, Now: o.Now, Sleep: o.Sleep, Jitter: o.Jitter})
		if err != nil {
			return nil, fmt.Errorf("Lambda client: %s: %w", api.name, err)
		}
	}
	return c, nil
}

// regional is the base URL of a service in a region ("AWS service endpoints"; the domains of China and of the European Sovereign Cloud are those of the
// SDK's partitions).
func regional(service, region string) string {
	domain := "amazonaws.com"
	switch {
	case strings.HasPrefix(region, "cn-"):
		domain = "amazonaws.com.cn"
	case strings.HasPrefix(region, "eusc-"):
		domain = "amazonaws.eu"
	}
	return "https://" + service + "." + region + "." + domain
}

// function is a function as it is named: partition, region and account are empty where only its name is given.
type function struct{ partition, region, account, name, qualifier string }

var (
	functionARN  = regexp.MustCompile(`^arn:(aws[a-z-]*):lambda:([a-z0-9-]+):([0-9]{12}):function:([A-Za-z0-9_-]+)(?::([A-Za-z0-9$_-]+))?$`)
	functionName = regexp.MustCompile(`^([A-Za-z0-9_-]{1,64})(?::([A-Za-z0-9$_-]+))?$`)
)

func parseFunction(text string) (function, error) {
	if m := functionARN.FindStringSubmatch(text); m != nil {
		return function{m[1], m[2], m[3], m[4], m[5]}, nil
	}
	if m := functionName.FindStringSubmatch(text); m != nil {
		return function{name: m[1], qualifier: m[2]}, nil
	}
	return function{}, fmt.Errorf("%q is neither the name nor the ARN of a Lambda function", text)
}

// is tells whether the target of a schedule is the function, in whatever version.
func (f function) is(target string) bool {
	t, err := parseFunction(target)
	return err == nil && t.name == f.name && t.region == f.region && (f.account == "" || f.account == t.account && f.partition == t.partition)
}

// path is the function as the API takes it in an address, without its qualifier.
func (f function) path() string {
	if f.account == "" {
		return f.name
	}
	return "arn:" + f.partition + ":lambda:" + f.region + ":" + f.account + ":function:" + f.name
}

// Run queues a command for the function and returns the request id of the invocation ("Invoke" of the Lambda API reference, invocation type Event: 202).
// When the answer is lost the command is not sent again: the error is a *signing.Error with Unknown, and the function may run.
func (c *Client) Run(ctx context.Context, command []byte) (requestID string, err error) {
	const operation = "invoke the Lambda function"
	call := signing.Call{Operation: operation, Method: http.MethodPost, Path: []string{"2015-03-31", "functions", c.function.path(), "invocations"},
		Header: map[string]string{"X-Amz-Invocation-Type": "Event"}, Body: command, Once: true}
	if c.function.qualifier != "" {
		call.Query = url.Values{"Qualifier": {c.function.qualifier}}
	}
	answer, err := c.lambda.Send(ctx, call)
	if err != nil {
		return "", err
	}
	if requestID = answer.Header.Get("X-Amzn-Requestid"); requestID == "" {
		return "", &signing.Error{Operation: operation, Attempts: 1, Unknown: true, Err: errors.New("the answer holds no request id")}
	}
	return requestID, nil
}
