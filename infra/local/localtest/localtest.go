// Package localtest is the local cloud inside one test process: the emulated DataArts Factory and the object service, reached over real HTTP with
// real signatures, without the functions' processes. Engines and handlers are tested against it.
package localtest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
)

// What every cloud of this package has.
const (
	ProjectID  = "b384b9e9ab9b4ee8994c8633aabc9505"
	InstanceID = "6b88ad0541514d45a1d9ff0cd6e2bf4e"
	Region     = "eu-de"
	Bucket     = "dataarts-backup"
	Workspace  = "0dd3000000000000000000000000aaaa"
	Other      = "0dd3000000000000000000000000bbbb" // a second, empty workspace
	AccessKey  = "AKLOCAL"
	SecretKey  = "secret-of-the-local-cloud"
)

// Cloud is a cloud with one bucket and two workspaces.
type Cloud struct {
	DataArts *dataarts.Service
	Objects  *objectstore.Server
	Factory  *factory.Client // quick: not held to the service's rate
	Store    store.Store     // Bucket

	V1, V2, StoreURL string // base URLs

	// FactoryTransport and StoreTransport reach a cloud of pipes, at these base URLs; nil are sockets.
	FactoryTransport, StoreTransport http.RoundTripper
}

// Options change how the clients of a cloud reach it.
type Options struct {
	// Pipes connects them by pipes inside the process instead of sockets, so that the cloud can live in a bubble of testing/synctest: there, back-off,
	// pauses, slow answers, leases and the deadlines of contexts pass in no time. V1, V2 and StoreURL are then to be reached by the transports of the cloud only.
	Pipes bool
	// PageSize is the page size of listings, so that few assets make many pages; 0 is the client's own.
	PageSize int
	// Sleep replaces the pauses of the store's client between attempts; nil is real ones. See obs.Options.
	Sleep func(context.Context, time.Duration) error
}

// New starts a cloud that ends with the test.
func New(t *testing.T) *Cloud {
	t.Helper()
	return NewWith(t, Options{})
}

// NewWith is New with options.
func NewWith(t *testing.T, opts Options) *Cloud {
	t.Helper()
	keys := &iam.Keyring{}
	keys.Add(iam.Credentials{AccessKey: AccessKey, SecretKey: SecretKey})
	c := &Cloud{Objects: objectstore.New(objectstore.Options{Keyring: keys})}
	c.DataArts = dataarts.New(dataarts.Options{Keyring: keys, ProjectID: ProjectID, InstanceID: InstanceID, PutObject: c.Objects.PutObject,
		GetObject: func(bucket, key string) ([]byte, error) {
			data, ok := c.Objects.GetObject(bucket, key)
			if !ok {
				return nil, fmt.Errorf("there is no object obs://%s/%s", bucket, key)
			}
			return data, nil
		}})
	c.DataArts.AddWorkspace(dataarts.Workspace{ID: Workspace, Name: "sales"})
	c.DataArts.AddWorkspace(dataarts.Workspace{ID: Other, Name: "drill"})
	if err := c.Objects.CreateBucket(Bucket); err != nil {
		t.Fatal(err)
	}
	client := factory.Options{ProjectID: ProjectID, RateLimit: 100_000, PageSize: opts.PageSize,
		Credentials: factory.Credentials{AccessKey: AccessKey, SecretKey: SecretKey}}
	storeClient := obs.Options{AccessKey: AccessKey, SecretKey: SecretKey, Sleep: opts.Sleep}
	if opts.Pipes {
		c.V1, c.V2, c.StoreURL = "http://"+v1Host, "http://"+v2Host, "http://127.0.0.1"
		client.Transport = byHost{v1Host: piped(t, c.DataArts.V1()), v2Host: piped(t, c.DataArts.V2())}
		storeClient.Transport = piped(t, c.Objects)
		c.FactoryTransport, c.StoreTransport = client.Transport, storeClient.Transport
	} else {
		v1, v2, objects := httptest.NewServer(c.DataArts.V1()), httptest.NewServer(c.DataArts.V2()), httptest.NewServer(c.Objects)
		t.Cleanup(func() { v1.Close(); v2.Close(); objects.Close() })
		c.V1, c.V2, c.StoreURL = v1.URL, v2.URL, objects.URL
	}
	client.Endpoint, client.V2Endpoint, storeClient.Endpoint = c.V1, c.V2, c.StoreURL
	var err error
	if c.Factory, err = factory.New(client); err != nil {
		t.Fatal(err)
	}
	objects, err := obs.New(storeClient)
	if err != nil {
		t.Fatal(err)
	}
	c.Store = objects.Bucket(Bucket)
	return c
}

// Handle reaches into a workspace.
func (c *Cloud) Handle(id string) *dataarts.WorkspaceHandle { return c.DataArts.Workspace(id) }

// Environment is the configuration of a function in this cloud; a lookup for shared/config.
func (c *Cloud) Environment(extra map[string]string) func(string) (string, bool) {
	env := map[string]string{
		"DATAARTS_REGION": Region, "DATAARTS_PROJECT_ID": ProjectID, "DATAARTS_INSTANCE_ID": InstanceID, "DATAARTS_WORKSPACES": Workspace,
		"DATAARTS_ENDPOINT": c.V1, "DATAARTS_V2_ENDPOINT": c.V2, "DATAARTS_RATE_LIMIT": "100000", "OBS_ENDPOINT": c.StoreURL,
		"BACKUP_LOCATION":    "obs://" + Bucket + "/{workspace}",
		"HUAWEICLOUD_SDK_AK": AccessKey, "HUAWEICLOUD_SDK_SK": SecretKey,
	}
	for name, value := range extra {
		env[name] = value
	}
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok && value != ""
	}
}

// Writes counts the calls since the last ResetCalls that change a workspace.
func (c *Cloud) Writes() int {
	n := 0
	for _, call := range c.DataArts.Calls() {
		if call.Method != "GET" && call.Operation != dataarts.ExportJobList && call.Operation != dataarts.ExportJob && call.Operation != dataarts.ShowFileInfo {
			n++
		}
	}
	return n
}
