// Package local is a cloud on one machine: an account with one project, whose DataArts Factory, OBS, FunctionGraph and API Gateway listen on
// loopback addresses and are wired as the templates wire the real ones.
//
//	midnight ─────────── TIMER event ──▶ backup  ─┐
//	restore-requests/ ── OBS event ────▶ restore ─┼─ signed calls ──▶ DataArts V1 and V2, OBS (its S3 dialect)
//	HTTP ── gateway ──── APIG event ───▶ restore ─┤
//	                                     console ─┘                   FunctionGraph (to itself and to backup), SMN
//
// What it guarantees: the functions are the real bootstrap binaries, run by the protocol of the custom runtime; the only keys they have are the
// temporary ones that each invocation brings; every service checks every signature; a trigger delivers exactly the event that the
// service would. What is stored is in memory, nothing listens beyond 127.0.0.1, and nothing outlives Close.
//
// It is for tests and for the demo. The product never imports it.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/infra/local/smn"
)

// What there is in the account.
const (
	Region      = "eu-de"
	ProjectID   = "0000000000000000000000000000cafe"
	InstanceID  = "00000000000000000000000000001157"
	WorkspaceID = "0dd3000000000000000000000000aaaa" // of the workspace that there is unless Options name others
	Bucket      = "dataarts-backup"                  // of the backups
	FilesBucket = "dlf-prod"                         // of the files that the sample workspaces' resources point to
)

// Options of a Cloud. Only Dist is needed.
type Options struct {
	// Dist is the folder with <function>/bootstrap, as `make build` leaves it.
	Dist string
	// Logs is where the functions' output goes, each line after "[function] "; nil discards it.
	Logs io.Writer
	// Workspaces are the workspaces of the instance, all of them backed up. None means one with the id WorkspaceID.
	Workspaces []dataarts.Workspace
	// Variables are added to the functions' environment, or replace what stands there; an empty value takes a variable away.
	Variables map[string]string
	// Switches choose among the readings of the DataArts documents.
	Switches dataarts.Switches
	// InterceptFunctionGraph answers requests to FunctionGraph's own API in its place; what it returns false for is served.
	InterceptFunctionGraph func(http.ResponseWriter, *http.Request) bool
	// Triggers choose among the readings of FunctionGraph's documents about triggers.
	Triggers functiongraph.TriggerSwitches
	// KeyHeaders chooses under which names the agency's keys reach the functions.
	KeyHeaders functiongraph.KeyHeaders
	// Now stamps assets and events; nil means time.Now. Signatures and limits follow the real clock all the same.
	Now func() time.Time
}

// Cloud is a running cloud. Its fields are for looking and for making trouble; they must not be changed.
type Cloud struct {
	Keyring  *iam.Keyring
	DataArts *dataarts.Service
	Store    *objectstore.Server
	SMN      *smn.Service // what the functions tell people

	// The functions.
	Backup, Restore, Console *functiongraph.Deployment

	DataArtsURL   string // V1: jobs, scripts, resources
	DataArtsV2URL string // V2: environment variables, workspaces
	StoreURL      string // OBS; an address, so clients speak its S3 dialect with path-style addressing
	GatewayURL    string // the HTTP API of restore and console
	SMNURL        string
	// FunctionGraphURL is FunctionGraph's own API, with which a function invokes itself or another, and changes another's timer.
	FunctionGraphURL string
	TopicURN         string // of the topic that the backup function publishes to
	AppCode          string // what the gateway wants in the header X-Apig-AppCode

	opts      Options
	keys      iam.Credentials // permanent ones
	functions *functiongraph.Service
	servers   []*http.Server
	serving   sync.WaitGroup
	closing   sync.Once
}

// Start starts a cloud. It runs until Close, or until ctx ends. Errors: there are no binaries in Dist, no address to listen on.
func Start(ctx context.Context, opts Options) (_ *Cloud, err error) {
	for _, name := range []string{"backup", "restore", "console"} {
		if err := checkBootstrap(opts.Dist, name); err != nil {
			return nil, fmt.Errorf("start the local cloud: %w", err)
		}
	}
	if len(opts.Workspaces) == 0 {
		opts.Workspaces = []dataarts.Workspace{{ID: WorkspaceID, Name: "warehouse", IsDefault: true}}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := &Cloud{Keyring: &iam.Keyring{}, opts: opts, AppCode: randomHex(32),
		keys: iam.Credentials{AccessKey: "LOCAL" + randomHex(8), SecretKey: randomHex(20)}}
	c.Keyring.Add(c.keys)
	c.Store = objectstore.New(objectstore.Options{Keyring: c.Keyring})
	for _, bucket := range []string{Bucket, FilesBucket} {
		if err := c.Store.CreateBucket(bucket); err != nil {
			return nil, fmt.Errorf("start the local cloud: %w", err)
		}
	}
	c.SMN = smn.New(smn.Options{Keyring: c.Keyring, ProjectID: ProjectID})
	c.TopicURN = c.SMN.CreateTopic(Region, "dataarts-backup")
	c.functions = functiongraph.New(functiongraph.Options{Keyring: c.Keyring, KeyHeaders: opts.KeyHeaders, Logs: opts.Logs, ProjectID: ProjectID})
	c.DataArts = dataarts.New(dataarts.Options{Keyring: c.Keyring, ProjectID: ProjectID, InstanceID: InstanceID, Now: opts.Now, Switches: opts.Switches,
		GetObject: c.getObject, PutObject: c.Store.PutObject,
		UserName: func(string) string { return "dataarts_backup" }})
	for _, w := range opts.Workspaces {
		c.DataArts.AddWorkspace(w)
	}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	for _, s := range []struct {
		handler http.Handler
		url     *string
	}{{c.DataArts.V1(), &c.DataArtsURL}, {c.DataArts.V2(), &c.DataArtsV2URL}, {c.Store, &c.StoreURL}, {http.HandlerFunc(c.gateway), &c.GatewayURL},
		{c.SMN, &c.SMNURL}, {c.functions.Management(functiongraph.ManagementOptions{Region: Region, Keyring: c.Keyring, Triggers: opts.Triggers,
			Intercept: opts.InterceptFunctionGraph}), &c.FunctionGraphURL}} {
		if *s.url, err = c.serve(s.handler); err != nil {
			return nil, fmt.Errorf("start the local cloud: %w", err)
		}
	}
	if err := c.deploy(ctx); err != nil {
		return nil, fmt.Errorf("start the local cloud: %w", err)
	}
	c.Store.OnObjectCreated(c.objectCreated)
	context.AfterFunc(ctx, c.Close)
	return c, nil
}

// Close ends the functions and the services, and returns when that is done.
func (c *Cloud) Close() {
	c.closing.Do(func() {
		if c.functions != nil {
			c.functions.Close()
		}
		for _, s := range c.servers {
			_ = s.Close() // a listener that is gone already is what is wanted
		}
		c.serving.Wait()
	})
}

// Workspace reaches into a workspace of the instance; nil if there is none with this id.
func (c *Cloud) Workspace(id string) *dataarts.WorkspaceHandle { return c.DataArts.Workspace(id) }

// serve answers on a free port of this machine.
func (c *Cloud) serve(h http.Handler) (url string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	// What a client does wrong is its own to tell; faults that tests inject would fill the terminal.
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: discardLog()}
	c.servers = append(c.servers, server)
	c.serving.Go(func() { _ = server.Serve(listener) })
	return "http://" + listener.Addr().String(), nil
}

// getObject is the object store as DataArts sees it.
func (c *Cloud) getObject(bucket, key string) ([]byte, error) {
	data, ok := c.Store.GetObject(bucket, key)
	if !ok {
		return nil, fmt.Errorf("there is no object obs://%s/%s", bucket, key)
	}
	return data, nil
}

// checkBootstrap finds out before anything is started what would otherwise look like a function that does not start.
func checkBootstrap(dist, function string) error {
	path := filepath.Join(dist, function, "bootstrap")
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s is not there: run make build", path)
	case err != nil:
		return fmt.Errorf("look for the %s function: %w", function, err)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not an executable: run make build", path)
	}
	return nil
}
