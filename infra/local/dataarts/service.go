package dataarts

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

// Options of a Service. Only Keyring is needed.
type Options struct {
	// Keyring holds the keys whose signatures are valid.
	Keyring *iam.Keyring
	// UserName is the IAM user behind an access key: it is written into createUser, lastUpdateUser and owner. Nil means the access key.
	UserName func(accessKey string) string
	// ProjectID is the only project there is; empty means any.
	ProjectID string
	// InstanceID is the DataArts Studio instance whose workspaces these are; empty means any.
	InstanceID string
	// Now stamps assets; nil means time.Now. Signatures, delays and rate limits always follow the real clock.
	Now func() time.Time
	// NewID makes ids of resources, tasks and requests; nil means random ones.
	NewID func() string
	// GetObject and PutObject are the object store that import and export with an obsPath use. Nil means a store that holds nothing.
	GetObject func(bucket, key string) ([]byte, error)
	PutObject func(bucket, key string, data []byte) error

	Switches Switches
}

// Service is an emulated DataArts Factory. It is safe for concurrent use.
type Service struct {
	keyring    *iam.Keyring
	userName   func(string) string
	projectID  string
	instanceID string
	now        func() time.Time
	newID      func() string
	getObject  func(bucket, key string) ([]byte, error)
	putObject  func(bucket, key string, data []byte) error
	exports    sync.WaitGroup

	mu         sync.Mutex // guards all below
	switches   Switches
	workspaces []*workspace
	tasks      map[string]*task
	lastNumber int // of jobs and scripts, which have decimal ids
	calls      []Call
	intercept  func(*http.Request, Operation) *Fault
	windows    map[string]*window
	// batchExports and laterPages count what ExportFails and ListMoves go by.
	batchExports, laterPages int
}

// New returns a service without workspaces.
func New(opts Options) *Service {
	s := &Service{
		keyring: opts.Keyring, userName: opts.UserName, projectID: opts.ProjectID, instanceID: opts.InstanceID,
		now: opts.Now, newID: opts.NewID, getObject: opts.GetObject, putObject: opts.PutObject, switches: opts.Switches,
		tasks: map[string]*task{}, windows: map[string]*window{}, lastNumber: 608626,
	}
	if s.keyring == nil {
		s.keyring = &iam.Keyring{}
	}
	if s.userName == nil {
		s.userName = func(accessKey string) string { return accessKey }
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.newID == nil {
		s.newID = randomID
	}
	if s.getObject == nil {
		s.getObject = func(bucket, key string) ([]byte, error) {
			return nil, fmt.Errorf("get obs://%s/%s: there is no object store", bucket, key)
		}
	}
	if s.putObject == nil {
		s.putObject = func(bucket, key string, _ []byte) error {
			return fmt.Errorf("put obs://%s/%s: there is no object store", bucket, key)
		}
	}
	return s
}

// V1 is host dayu-dlf: jobs, scripts, resources, connections and system tasks.
func (s *Service) V1() http.Handler { return s.host("v1", routesV1()) }

// V2 is host dayu: environment variables and V2 lists of DataArts Factory, instances and workspaces of the Management Center.
func (s *Service) V2() http.Handler { return s.host("v2", routesV2()) }

// SetSwitches changes switches while the service runs.
func (s *Service) SetSwitches(change func(*Switches)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.switches)
}

// Call is a request that reached the service.
type Call struct {
	Method    string
	Path      string // as it was sent, escaped
	Query     string
	Operation Operation // empty if there is no such API
	Workspace string    // the workspace header
	Status    int       // 0 while it is being served, and if the connection was reset
}

// Calls returns all requests since the last ResetCalls in the order in which they arrived.
func (s *Service) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Call(nil), s.calls...)
}

// CallCounts returns how often each operation was requested since the last ResetCalls.
func (s *Service) CallCounts() map[Operation]int {
	counts := map[Operation]int{}
	for _, call := range s.Calls() {
		counts[call.Operation]++
	}
	return counts
}

// ResetCalls forgets all requests.
func (s *Service) ResetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// Fault is what happens to one request instead of, or along with, its being served.
type Fault struct {
	// Delay comes before anything else.
	Delay time.Duration
	// ResetBefore cuts the connection and the request is not applied.
	ResetBefore bool
	// ResetAfter applies the request and cuts the connection instead of answering.
	ResetAfter bool
	// DelayAfter passes between the request's being applied and its answer: who does not wait that long never hears of it.
	DelayAfter time.Duration
	// Status, if not 0, is answered with Header and Body instead of what the service would say; a Code (APIGW.0301) makes the body that of an error
	// of the service. The request is applied only if Applied is set. A Retry-After stands in Header, or there is none.
	Status  int
	Header  http.Header
	Body    string
	Code    string
	Applied bool
	// Malformed sends the first half of the answer's body as if it were the whole: Content-Length fits, the JSON does not end.
	Malformed bool
	// Truncate cuts the connection after this share of the body's bytes, between 0 and 1: 0.5 sends half of what Content-Length announces.
	// 0 means that nothing is cut.
	Truncate float64
	// Dribble is how long the service pauses before each piece of the body of DribbleBytes (0: one byte).
	Dribble      time.Duration
	DribbleBytes int
}

// Intercept sets a function that is asked before every request that is routed, and may change workspaces or return a fault. It may be called by several
// requests at once. Nil removes it.
func (s *Service) Intercept(f func(r *http.Request, op Operation) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = f
}

// WaitExports returns when all exports to the object store that were asked for have been written.
func (s *Service) WaitExports() { s.exports.Wait() }

// nextNumber mints the decimal id of a job or script. The caller holds the lock.
func (s *Service) nextNumber() string {
	s.lastNumber++
	return fmt.Sprint(s.lastNumber)
}

func randomID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // crypto/rand never fails
	return hex.EncodeToString(id[:])
}
