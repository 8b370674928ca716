package terraform_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/infra/local/smn"
	"github.com/dataarts-backup/dataarts-backup/infra/terraform/plan"
	"github.com/dataarts-backup/dataarts-backup/shared/config"
)

// The account that a plan is carried out in.
const (
	planRegion   = "eu-west-101"
	planProject  = "b384b9e9ab9b4ee8994c8633aabc9505"
	planInstance = "6b88ad0541514d45a1d9ff0cd6e2bf4e"
	filesBucket  = "dlf-prod" // to which the sample's resources point
	sales        = "0dd3000000000000000000000000aaaa"
	stock        = "0dd3000000000000000000000000bbbb"
	spare        = "0dd3000000000000000000000000dddd" // where drills are held
)

// call is what a function asked a service for, as the policies of IAM name it.
type call struct {
	function   config.Function
	action, on string
}

// account is a project in which a plan was carried out: the real functions run in it with the settings, the timers and the trigger that the plan gives them. It
// writes down what each of them asks OBS, FunctionGraph and SMN for.
type account struct {
	t         *testing.T
	plan      *plan.Plan
	dataarts  *dataarts.Service
	store     *objectstore.Server
	functions map[config.Function]*functiongraph.Deployment

	mu    sync.Mutex
	calls map[call]bool
	// printed is what the functions print.
	printed bytes.Buffer
}

func (a *account) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.printed.Write(p)
}

// functionURN is what the services call a function.
func functionURN(f config.Function) string {
	return "urn:fss:" + planRegion + ":" + planProject + ":function:default:dataarts-backup-" + string(f) + ":latest"
}

// carriedOut makes the account of a plan of huaweicloud.
func carriedOut(t *testing.T, p *plan.Plan) *account {
	t.Helper()
	a := &account{t: t, plan: p, functions: map[config.Function]*functiongraph.Deployment{}, calls: map[call]bool{}}
	keys := &iam.Keyring{}
	a.store = objectstore.New(objectstore.Options{Keyring: keys})
	for _, bucket := range []string{"vault", filesBucket} {
		if err := a.store.CreateBucket(bucket); err != nil {
			t.Fatal(err)
		}
	}
	a.dataarts = dataarts.New(dataarts.Options{Keyring: keys, ProjectID: planProject, InstanceID: planInstance, PutObject: a.store.PutObject,
		GetObject: func(bucket, key string) ([]byte, error) {
			if data, there := a.store.GetObject(bucket, key); there {
				return data, nil
			}
			return nil, fmt.Errorf("there is no object obs://%s/%s", bucket, key)
		}})
	for id, name := range map[string]string{sales: "sales", stock: "stock", spare: "drills"} {
		a.dataarts.AddWorkspace(dataarts.Workspace{ID: id, Name: name})
	}
	messages := smn.New(smn.Options{Keyring: keys, ProjectID: planProject})
	messages.CreateTopic(planRegion, "dataarts-backup")
	messages.Intercept(a.noteMessage)
	a.store.Intercept(a.noteStore)

	// A service for each function, so that a key tells whose it is.
	services := map[config.Function]*functiongraph.Service{}
	for _, f := range allFunctions() {
		serial := 0
		var mu sync.Mutex
		services[f] = functiongraph.New(functiongraph.Options{Keyring: keys, Logs: a, ProjectID: planProject, NewKeys: func() iam.Credentials {
			mu.Lock()
			defer mu.Unlock()
			serial++
			return iam.Credentials{AccessKey: fmt.Sprintf("%sKEY%d", strings.ToUpper(string(f)), serial), SecretKey: "secret-of-an-agency", SecurityToken: "token-of-an-agency"}
		}})
	}
	management := services[config.Backup].Management(functiongraph.ManagementOptions{Region: planRegion, Keyring: keys, Intercept: a.noteManagement})
	endpoints := map[string]string{"DATAARTS_ENDPOINT": a.serve(a.dataarts.V1()), "DATAARTS_V2_ENDPOINT": a.serve(a.dataarts.V2()), "OBS_ENDPOINT": a.serve(a.store),
		"FUNCTIONGRAPH_ENDPOINT": a.serve(management), "SMN_ENDPOINT": a.serve(messages), "DATAARTS_RATE_LIMIT": "100000"}
	dist := built(t)
	t.Cleanup(a.close)
	for _, f := range allFunctions() {
		variables := environment(t, p, f)
		for name, value := range endpoints {
			if slices.Contains(config.Names(f), name) {
				variables[name] = value
			}
		}
		name, _ := resource(t, p, "huaweicloud_fgs_function."+string(f))["name"].(string)
		deployment, err := services[f].Deploy(context.WithoutCancel(t.Context()), functiongraph.Function{Name: name, Bootstrap: filepath.Join(dist, string(f), "bootstrap"), Env: variables, Timeout: 5 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		a.functions[f] = deployment
		t.Cleanup(services[f].Close)
	}
	a.triggers()
	return a
}

// built are the bootstraps, from the sources as they are.
func built(t *testing.T) (dist string) {
	t.Helper()
	dist = t.TempDir()
	for _, f := range allFunctions() {
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w",
			"-o", filepath.Join(dist, string(f), "bootstrap"), "./"+filepath.Join("..", "..", "functions", string(f)))
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build the %s function: %v\n%s", f, err, output)
		}
	}
	return dist
}

func (a *account) serve(handler http.Handler) string {
	server := httptest.NewServer(handler)
	a.t.Cleanup(server.Close)
	return server.URL
}

// triggers makes the timers and the OBS trigger of the plan.
func (a *account) triggers() {
	a.t.Helper()
	for address, r := range a.plan.Resources {
		if !strings.HasPrefix(address, "huaweicloud_fgs_function_trigger.") {
			continue
		}
		at := slices.IndexFunc(allFunctions(), func(f config.Function) bool { return functionURN(f) == r["function_urn"] })
		if at < 0 {
			a.t.Fatalf("%s is of %v", address, r["function_urn"])
		}
		function, data := a.functions[allFunctions()[at]], object(a.t, r["event_data"])
		text := func(name string) string { s, _ := data[name].(string); return s }
		if r["type"] == "TIMER" {
			if _, err := function.CreateTimer(functiongraph.Timer{Name: text("name"), Active: true, ScheduleType: text("schedule_type"), Schedule: text("schedule"), UserEvent: text("user_event")}); err != nil {
				a.t.Fatal(err)
			}
			continue
		}
		a.store.OnObjectCreated(func(bucket, key, etag string, size int64) {
			if bucket == text("bucket") && strings.HasPrefix(key, text("prefix")) && strings.HasSuffix(key, text("suffix")) {
				_, _ = function.InvokeAsync(functiongraph.ObjectCreatedEvent(bucket, key, etag, size, time.Now(), planRegion)) // refused only while the account closes
			}
		})
	}
}

func (a *account) close() {
	for f, d := range a.functions {
		if wrong := d.Violations(); len(wrong) > 0 {
			a.t.Errorf("%s uses the runtime API wrongly: %v", f, wrong)
		}
	}
	if a.t.Failed() {
		a.mu.Lock()
		defer a.mu.Unlock()
		text := a.printed.String()
		a.t.Logf("the functions printed:\n%s", text[max(0, len(text)-8000):])
	}
}

// note writes down a call of whoever signed the request.
func (a *account) note(r *http.Request, action, on string) {
	caller := config.Function("somebody")
	if match := regexp.MustCompile(`(?:Credential|Access)=([A-Z]+)KEY\d+`).FindStringSubmatch(r.Header.Get("Authorization")); match != nil {
		caller = config.Function(strings.ToLower(match[1]))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls[call{caller, action, on}] = true
}

// made are the calls that were made so far.
func (a *account) made() []call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.calls))
}

// noteStore names what a request to OBS needs ("Bucket-Related Actions" and "Object-Related Actions" of OBS's permissions).
func (a *account) noteStore(c objectstore.Call) *objectstore.Fault {
	bucket := func(name string) string { return "OBS:*:*:bucket:" + name }
	object := func(key string) string { return "OBS:*:*:object:" + c.Bucket + "/" + key }
	switch c.Operation {
	case "ListObjects":
		a.note(c.Request, "obs:bucket:ListBucket", bucket(c.Bucket))
	case "HeadBucket":
		a.note(c.Request, "obs:bucket:HeadBucket", bucket(c.Bucket))
	case "GetObject", "GetObjectMetadata":
		a.note(c.Request, get, object(c.Key))
		if _, there := a.store.GetObject(c.Bucket, c.Key); !there { // OBS says so to those who may list, and to others that they may not read
			a.note(c.Request, "obs:bucket:ListBucket", bucket(c.Bucket))
		}
	case "PutObject", "InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload":
		a.note(c.Request, put, object(c.Key))
	case "CopyObject", "CopyPart":
		source, _ := url.PathUnescape(strings.TrimPrefix(c.Request.Header.Get("X-Amz-Copy-Source"), "/"))
		a.note(c.Request, get, "OBS:*:*:object:"+source)
		a.note(c.Request, put, object(c.Key))
	case "DeleteObject":
		a.note(c.Request, remove, object(c.Key))
	case "AbortMultipartUpload":
		a.note(c.Request, abort, object(c.Key))
	case "DeleteObjects":
		body, err := io.ReadAll(c.Request.Body)
		c.Request.Body = io.NopCloser(bytes.NewReader(body))
		var several struct{ Object []struct{ Key string } }
		if err != nil || xml.Unmarshal(body, &several) != nil {
			a.note(c.Request, "obs: DeleteObjects that cannot be read", bucket(c.Bucket))
		}
		for _, o := range several.Object {
			a.note(c.Request, remove, object(o.Key))
		}
	default:
		a.note(c.Request, "obs: "+c.Operation+", not known to this test: "+c.Request.Method+" "+c.Request.URL.String(), bucket(c.Bucket))
	}
	return nil
}

// noteManagement names what a request to FunctionGraph's own API needs ("Permissions and Supported Actions" there). Whether a trigger's actions are on the
// function or on the trigger is not documented, so they have to be allowed on both.
func (a *account) noteManagement(_ http.ResponseWriter, r *http.Request) bool {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) < 5 {
		a.note(r, "functiongraph: not known to this test: "+r.Method+" "+r.URL.Path, "")
		return false
	}
	urn := strings.Split(parts[4], ":")
	function := "FUNCTIONGRAPH:*:*:function:" + strings.Join(urn[min(5, len(urn)):min(7, len(urn))], "/")
	if parts[3] == "functions" && parts[len(parts)-1] == "invocations-async" {
		a.note(r, "functiongraph:function:invokeAsync", function)
		return false
	}
	action, id := map[string]string{http.MethodGet: "list", http.MethodPost: "create"}[r.Method], "*"
	if len(parts) == 7 {
		action, id = map[string]string{http.MethodGet: "get", http.MethodPut: "update", http.MethodDelete: "delete"}[r.Method], parts[6]
	}
	a.note(r, "functiongraph:trigger:"+action, function)
	a.note(r, "functiongraph:trigger:"+action, "FUNCTIONGRAPH:*:*:trigger:"+id)
	return false
}

// noteMessage names what a request to SMN needs.
func (a *account) noteMessage(_ http.ResponseWriter, r *http.Request) bool {
	if !strings.HasSuffix(r.URL.Path, "/publish") {
		a.note(r, "smn: not known to this test: "+r.Method+" "+r.URL.Path, "")
		return false
	}
	parts := strings.Split(r.URL.Path, "/")
	urn := parts[len(parts)-2]
	a.note(r, "smn:topic:publish", "SMN:*:*:topic:"+urn[strings.LastIndexByte(urn, ':')+1:])
	return false
}
