// Package lambda is a small AWS Lambda on one machine: it runs the real bootstrap of a function as the runtime provided.al2023
// does, through the runtime API of 2018-06-01, and invokes it. As an http.Handler the service is what functions see of AWS: Lambda's
// Invoke, and the schedules of EventBridge Scheduler, all of it signed.
//
// It guarantees what the runtime API promises to a bootstrap (one event at a time, a deadline, the role's keys in the
// environment) and is as strict as AWS's own Runtime Interface Emulator, whose status codes and error types it uses.
package lambda

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/instance"
)

// The limits of a function's definition that AWS documents ("Lambda quotas").
const (
	minTimeout     = time.Second
	maxTimeout     = 900 * time.Second
	defaultTimeout = 3 * time.Second
	minMemory      = 128 // MB, also the default
	maxMemory      = 10240
	maxEnvironment = 4 << 10 // bytes of all names and values
	maxInstances   = 1000    // concurrent executions of an account
)

// Options are what a Service takes from outside. Useful zero values.
type Options struct {
	Keyring      *iam.Keyring           // where the keys of the functions' role are valid until the function is removed; nil: nowhere
	Logs         io.Writer              // what the functions print, each line after "[name] "; nil discards it
	Region       string                 // AWS_REGION; eu-central-1
	AccountID    string                 // in the function's ARN; 000000000000
	NewRequestID func() string          // random UUIDs
	NewKeys      func() iam.Credentials // random temporary keys of a role
	Now          func() time.Time       // for signatures and for the dates of schedules
	SchedulePage int                    // how many schedules a page of their list has at most; 100
}

// Function is the definition of a function with the runtime provided.al2023.
type Function struct {
	Name      string
	Bootstrap string            // path of the executable, whose name must be "bootstrap"
	Env       map[string]string // at most 4 KB; none of Lambda's own names
	Timeout   time.Duration     // whole seconds, 1 s to 900 s; 0 means 3 s
	MemoryMB  int               // 128 to 10240; 0 means 128
}

// Service is one account's Lambda in one region. It is safe for concurrent use.
type Service struct {
	opts Options

	mu        sync.Mutex
	closed    bool
	functions map[string]*Deployment
	scheduler scheduler
}

// New makes a service without functions.
func New(opts Options) *Service {
	if opts.Logs == nil {
		opts.Logs = io.Discard
	}
	if opts.Region == "" {
		opts.Region = "eu-central-1"
	}
	if opts.AccountID == "" {
		opts.AccountID = "000000000000"
	}
	if opts.NewRequestID == nil {
		opts.NewRequestID = newRequestID
	}
	if opts.NewKeys == nil {
		opts.NewKeys = newKeys
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.SchedulePage == 0 {
		opts.SchedulePage = maxSchedulePage
	}
	return &Service{opts: opts, functions: map[string]*Deployment{}, scheduler: newScheduler()}
}

// Deploy makes a function ready for invocations, and removes an older one of the same name. Instances are started by the invocations
// that need them and ended by Service.Close, Deployment.Close, the end of ctx, or an invocation that takes too long.
// Errors: a definition outside the documented limits (all of them at once).
func (s *Service) Deploy(ctx context.Context, f Function) (*Deployment, error) {
	f, err := f.complete()
	if err != nil {
		return nil, fmt.Errorf("deploy function %q: %w", f.Name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	d := &Deployment{service: s, function: f, ctx: ctx, cancel: cancel, keys: s.opts.NewKeys()}
	d.arn = "arn:aws:lambda:" + s.opts.Region + ":" + s.opts.AccountID + ":function:" + f.Name
	d.pool = instance.NewPool(instance.Options{
		Name:            f.Name,
		Bootstrap:       f.Bootstrap,
		Env:             d.environment(),
		AddressVariable: "AWS_LAMBDA_RUNTIME_API",
		API:             d.api,
		Max:             maxInstances,
		Logs:            s.opts.Logs,
	})
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		cancel()
		return nil, fmt.Errorf("deploy function %q: %w", f.Name, ErrRemoved)
	}
	older := s.functions[f.Name]
	s.functions[f.Name] = d
	s.mu.Unlock()
	if s.opts.Keyring != nil {
		s.opts.Keyring.Add(d.keys)
	}
	if older != nil {
		older.Close()
	}
	context.AfterFunc(ctx, d.Close)
	return d, nil
}

// Close ends all functions and returns when their processes have ended. Invocations under way get a moment to finish.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	functions := s.functions
	s.functions = map[string]*Deployment{}
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, d := range functions {
		wg.Go(d.Close)
	}
	wg.Wait()
}

// complete fills in the defaults and checks the definition.
func (f Function) complete() (Function, error) {
	if f.Timeout == 0 {
		f.Timeout = defaultTimeout
	}
	if f.MemoryMB == 0 {
		f.MemoryMB = minMemory
	}
	var faults []error
	if f.Name == "" {
		faults = append(faults, errors.New("it needs a name"))
	}
	if base := filepath.Base(f.Bootstrap); base != "bootstrap" {
		faults = append(faults, fmt.Errorf("the executable of provided.al2023 is named bootstrap, not %q", base))
	}
	if f.Timeout < minTimeout || f.Timeout > maxTimeout || f.Timeout%time.Second != 0 {
		faults = append(faults, fmt.Errorf("the timeout is %v: whole seconds from %v to %v are allowed", f.Timeout, minTimeout, maxTimeout))
	}
	if f.MemoryMB < minMemory || f.MemoryMB > maxMemory {
		faults = append(faults, fmt.Errorf("the memory is %d MB: %d to %d are allowed", f.MemoryMB, minMemory, maxMemory))
	}
	name := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]+$`)
	size := 0
	for _, key := range slices.Sorted(maps.Keys(f.Env)) {
		size += len(key) + len(f.Env[key])
		if !name.MatchString(key) {
			faults = append(faults, fmt.Errorf("variable %q: a name is a letter, then letters, digits and _, two in all at least", key))
		}
		if reserved(key) {
			faults = append(faults, fmt.Errorf("variable %q is set by Lambda", key))
		}
	}
	if size > maxEnvironment {
		faults = append(faults, fmt.Errorf("the environment variables have %d bytes: at most %d are allowed", size, maxEnvironment))
	}
	return f, errors.Join(faults...)
}

// reserved tells whether a variable is Lambda's ("Defined runtime environment variables"), or one that every process here gets.
func reserved(name string) bool {
	switch name {
	case "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "PATH", "HOME", "TMPDIR":
		return true
	}
	return strings.HasPrefix(name, "AWS_LAMBDA_")
}

// environment is the environment of the function's processes, without the address of the API.
func (d *Deployment) environment() []string {
	root, err := filepath.Abs(filepath.Dir(d.function.Bootstrap))
	if err != nil {
		root = filepath.Dir(d.function.Bootstrap)
	}
	env := []string{
		"_HANDLER=bootstrap",
		"LAMBDA_TASK_ROOT=" + root,
		"AWS_REGION=" + d.service.opts.Region,
		"AWS_DEFAULT_REGION=" + d.service.opts.Region,
		"AWS_LAMBDA_FUNCTION_NAME=" + d.function.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(d.function.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + d.function.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME=local",
		"AWS_ACCESS_KEY_ID=" + d.keys.AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + d.keys.SecretKey,
		"AWS_SESSION_TOKEN=" + d.keys.SecurityToken,
		"TZ=:UTC",
		"LANG=en_US.UTF-8",
	}
	for _, key := range slices.Sorted(maps.Keys(d.function.Env)) {
		env = append(env, key+"="+d.function.Env[key])
	}
	return env
}

func newRequestID() string {
	b := randomHex(16)
	return strings.Join([]string{b[:8], b[8:12], "4" + b[13:16], "8" + b[17:20], b[20:]}, "-")
}

func newKeys() iam.Credentials {
	return iam.Credentials{
		AccessKey:     "ASIA" + strings.ToUpper(randomHex(8)),
		SecretKey:     randomHex(20),
		SecurityToken: randomHex(64),
	}
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // It never fails: see crypto/rand.
	return hex.EncodeToString(b)
}

// errorBody is the error in the shape that the runtime API and the invocation API share.
func errorBody(e FunctionError) []byte {
	body, err := json.Marshal(map[string]string{"errorMessage": e.Message, "errorType": e.Type})
	if err != nil { // Strings always have a JSON form.
		panic(err)
	}
	return body
}
