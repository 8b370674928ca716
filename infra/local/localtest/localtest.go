// Package localtest is the local cloud inside one test process: the emulated DataArts Factory and the object service, reached over real HTTP with
// real signatures, without the functions' processes. Engines and handlers are tested against it.
package localtest

import (
	"net/http/httptest"
	"testing"

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
}

// New starts a cloud that ends with the test.
func New(t *testing.T) *Cloud {
	t.Helper()
	keys := &iam.Keyring{}
	keys.Add(iam.Credentials{AccessKey: AccessKey, SecretKey: SecretKey})
	c := &Cloud{
		DataArts: dataarts.New(dataarts.Options{Keyring: keys, ProjectID: ProjectID, InstanceID: InstanceID}),
		Objects:  objectstore.New(objectstore.Options{Keyring: keys}),
	}
	c.DataArts.AddWorkspace(dataarts.Workspace{ID: Workspace, Name: "sales"})
	c.DataArts.AddWorkspace(dataarts.Workspace{ID: Other, Name: "drill"})
	if err := c.Objects.CreateBucket(Bucket); err != nil {
		t.Fatal(err)
	}
	v1, v2, objects := httptest.NewServer(c.DataArts.V1()), httptest.NewServer(c.DataArts.V2()), httptest.NewServer(c.Objects)
	t.Cleanup(func() { v1.Close(); v2.Close(); objects.Close() })
	c.V1, c.V2, c.StoreURL = v1.URL, v2.URL, objects.URL
	var err error
	c.Factory, err = factory.New(factory.Options{Endpoint: v1.URL, V2Endpoint: v2.URL, ProjectID: ProjectID, RateLimit: 100_000,
		Credentials: factory.Credentials{AccessKey: AccessKey, SecretKey: SecretKey}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := obs.New(obs.Options{Endpoint: objects.URL, AccessKey: AccessKey, SecretKey: SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	c.Store = client.Bucket(Bucket)
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
		if call.Method != "GET" && call.Operation != dataarts.ExportJobList && call.Operation != dataarts.ExportJob {
			n++
		}
	}
	return n
}
