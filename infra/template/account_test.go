package template_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/lambda"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
)

const (
	sales = "0dd3000000000000000000000000aaaa" // the workspace that is backed up
	spare = "0dd3000000000000000000000000dddd"
)

// account is an AWS account with the stack in it, beside a cloud with DataArts. Every request of a function is judged by the policies of its role, and refused
// as AWS refuses it.
type account struct {
	*stack
	t         *testing.T
	cloud     *local.Cloud
	service   *lambda.Service
	bucket    *objectstore.Server
	functions map[string]*lambda.Deployment // by resource
	roles     map[string]*role              // by resource of the function
	output    *lines

	mu        sync.Mutex
	callers   map[string]string   // resource of the function, by access key
	denied    []string            // what was refused
	elsewhere map[string]bool     // buckets of others that were asked for
	events    map[string][]string // request ids of the S3 events that were delivered, by function
	locked    time.Time           // until when every object is; zero for not at all
	hold      bool                // every object has a legal hold
}

// open makes an account with the stack in it. The parameters that say where DataArts is are the cloud's.
func open(t *testing.T, change map[string]string) *account {
	t.Helper()
	cloud, err := local.Start(t.Context(), local.Options{Dist: dist, Workspaces: []dataarts.Workspace{{ID: sales, Name: "sales"}, {ID: spare, Name: "drill"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cloud.Close)
	parameters := defaults(map[string]string{"DataArtsRegion": local.Region, "DataArtsProjectId": local.ProjectID, "DataArtsInstanceId": local.InstanceID,
		"DataArtsWorkspaces": sales, "DataArtsEndpoint": "https://v1.example.com", "DataArtsV2Endpoint": "https://v2.example.com", "ConsoleKeys": "dataarts",
		"TimeZone": "Asia/Shanghai", "DrillWorkspace": spare, "DataArtsRateLimit": "100000"})
	for name, value := range change {
		parameters[name] = value
	}
	a := &account{stack: deploy(t, parameters), t: t, cloud: cloud, functions: map[string]*lambda.Deployment{}, roles: map[string]*role{}, output: &lines{},
		callers: map[string]string{}, elsewhere: map[string]bool{}, events: map[string][]string{}}
	keys := &iam.Keyring{}
	a.bucket = objectstore.New(objectstore.Options{Keyring: keys, Region: awsRegion})
	if err := a.bucket.CreateBucket(vaultName); err != nil {
		t.Fatal(err)
	}
	a.bucket.Intercept(a.judgeStore)
	a.bucket.OnObjectCreated(a.objectCreated)
	a.service = lambda.New(lambda.Options{Keyring: keys, Logs: a.output, Region: awsRegion, AccountID: awsAccount, NewKeys: a.nextKeys})
	storeURL, apiURL := a.serve(a.bucket), a.serve(http.HandlerFunc(a.judgeAPI))
	t.Cleanup(a.close)
	for resource, name := range functions() {
		f := a.stack.function(resource)
		variables := a.secrets().reveal(t, f.Environment.Variables)
		// The template's endpoints are HTTPS and elsewhere.
		variables["DATAARTS_ENDPOINT"], variables["DATAARTS_V2_ENDPOINT"], variables["OBS_ENDPOINT"] = cloud.DataArtsURL, cloud.DataArtsV2URL, storeURL
		variables["AWS_ENDPOINT_URL_LAMBDA"], variables["AWS_ENDPOINT_URL_SCHEDULER"] = apiURL, apiURL
		a.callers[accessKey(len(a.callers))] = resource
		a.roles[resource] = a.roleOf(f.Role)
		a.functions[resource], err = a.service.Deploy(t.Context(), lambda.Function{Name: a.physical(resource), Bootstrap: filepath.Join(dist, string(name), "bootstrap"),
			Env: variables, Timeout: time.Duration(f.Timeout) * time.Second, MemoryMB: f.MemorySize})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, schedule := range a.schedules() {
		if err := a.service.CreateSchedule(schedule.Name, schedule.settings(t)); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// secrets are what is in Secrets Manager of the account.
func (a *account) secrets() secretsManager {
	env := map[string]string{}
	for _, pair := range a.cloud.Environment() {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	return secretsManager{"dataarts": {"ak": env["HUAWEICLOUD_SDK_AK"], "sk": env["HUAWEICLOUD_SDK_SK"]}}
}

func accessKey(i int) string { return fmt.Sprintf("ASIAFUNCTION%04d", i) }

// nextKeys are the keys of the function that is deployed now.
func (a *account) nextKeys() iam.Credentials {
	return iam.Credentials{AccessKey: accessKey(len(a.callers) - 1), SecretKey: "secret-of-a-role-of-this-account", SecurityToken: "token-of-a-role"}
}

func (a *account) serve(handler http.Handler) (url string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		a.t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	a.t.Cleanup(func() { _ = server.Close(); serving.Wait() })
	return "http://" + listener.Addr().String()
}

func (a *account) close() {
	a.service.Close()
	if a.t.Failed() {
		text := a.output.String()
		a.t.Logf("the functions printed:\n%s", text[max(0, len(text)-8000):])
	}
}

// caller finds out whose role a request is signed for.
func (a *account) caller(r *http.Request) string {
	match := regexp.MustCompile(`Credential=([^/]+)/`).FindStringSubmatch(r.Header.Get("Authorization"))
	if match == nil {
		return ""
	}
	return a.callers[match[1]]
}

// judge decides about a request of a function; for is what it wants, for people.
func (a *account) judge(function string, wants ...request) bool {
	r := a.roles[function]
	for _, q := range wants {
		if r == nil || !r.permits(q) {
			a.mu.Lock()
			a.denied = append(a.denied, fmt.Sprintf("%s: %s on %s", function, q.action, q.resource))
			a.mu.Unlock()
			return false
		}
	}
	return true
}

// judgeStore is S3's authorization.
func (a *account) judgeStore(call objectstore.Call) *objectstore.Fault {
	function := a.caller(call.Request)
	if call.Bucket != vaultName { // there is no such bucket, as S3 will say
		a.mu.Lock()
		defer a.mu.Unlock()
		a.elsewhere[call.Bucket] = true
		return nil
	}
	if !a.judge(function, wanted(call)...) {
		return &objectstore.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
	}
	if call.Operation == "GetObjectMetadata" {
		return a.locks(function, call.Key)
	}
	return nil
}

// locks is what HeadObject tells of an object's lock: "This header is only returned if the requester has the s3:GetObjectRetention permission."
func (a *account) locks(function, key string) *objectstore.Fault {
	r := a.roles[function]
	sees := r.permits(request{action: "s3:GetObjectRetention", resource: object(key)})
	held := r.permits(request{action: "s3:GetObjectLegalHold", resource: object(key)})
	header := http.Header{}
	if until := a.locked; sees && !until.IsZero() {
		header.Set("X-Amz-Object-Lock-Mode", "GOVERNANCE")
		header.Set("X-Amz-Object-Lock-Retain-Until-Date", until.UTC().Format(time.RFC3339))
	}
	if held && a.hold {
		header.Set("X-Amz-Object-Lock-Legal-Hold", "ON")
	}
	return &objectstore.Fault{SetHeader: header}
}

func object(key string) string { return "arn:aws:s3:::" + vaultName + "/" + key }

// wanted is what a request to S3 needs ("Required permissions for Amazon S3 API operations").
func wanted(call objectstore.Call) []request {
	switch call.Operation {
	case "ListObjects":
		return []request{{action: "s3:ListBucket", resource: "arn:aws:s3:::" + call.Bucket}}
	case "GetObject", "GetObjectMetadata":
		return []request{{action: "s3:GetObject", resource: object(call.Key)}}
	case "PutObject", "InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload":
		return []request{{action: "s3:PutObject", resource: object(call.Key)}}
	case "DeleteObject", "AbortMultipartUpload":
		return []request{{action: "s3:" + call.Operation, resource: object(call.Key)}}
	case "CopyObject", "CopyPart":
		source, _ := url.PathUnescape(strings.TrimPrefix(call.Request.Header.Get("X-Amz-Copy-Source"), "/"))
		return []request{{action: "s3:GetObject", resource: "arn:aws:s3:::" + source}, {action: "s3:PutObject", resource: object(call.Key)}}
	case "DeleteObjects":
		body, err := io.ReadAll(call.Request.Body)
		call.Request.Body = io.NopCloser(bytes.NewReader(body))
		var several struct{ Object []struct{ Key string } }
		if err != nil || xml.Unmarshal(body, &several) != nil {
			break
		}
		var all []request
		for _, o := range several.Object {
			all = append(all, request{action: "s3:DeleteObject", resource: object(o.Key)})
		}
		return all
	}
	return []request{{action: "s3:" + call.Operation + " (not known to these tests)", resource: object(call.Key)}}
}

// judgeAPI is the authorization of Lambda and of EventBridge Scheduler.
func (a *account) judgeAPI(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var wants []request
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	scheduled := func(group string) string {
		return "arn:aws:scheduler:" + awsRegion + ":" + awsAccount + ":schedule/" + group + "/" + parts[len(parts)-1]
	}
	switch {
	case r.Method == http.MethodPost && len(parts) == 4 && parts[3] == "invocations":
		name := parts[2][strings.LastIndexByte(parts[2], ':')+1:]
		wants = []request{{action: "lambda:InvokeFunction", resource: "arn:aws:lambda:" + awsRegion + ":" + awsAccount + ":function:" + name}}
	case r.Method == http.MethodGet && len(parts) == 1:
		wants = []request{{action: "scheduler:ListSchedules", resource: "*"}}
	case r.Method == http.MethodGet:
		wants = []request{{action: "scheduler:GetSchedule", resource: scheduled(r.URL.Query().Get("groupName"))}}
	case r.Method == http.MethodPut:
		var update struct {
			GroupName string
			Target    struct{ RoleArn string }
		}
		_ = json.Unmarshal(body, &update) // what is no JSON asks for nothing that is permitted
		wants = []request{{action: "scheduler:UpdateSchedule", resource: scheduled(update.GroupName)},
			{action: "iam:PassRole", resource: update.Target.RoleArn, context: map[string]string{"iam:PassedToService": "scheduler.amazonaws.com"}}}
	}
	if len(wants) == 0 || !a.judge(a.caller(r), wants...) {
		w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"Message":"not authorized"}`)
		return
	}
	a.service.ServeHTTP(w, r)
}

// objectCreated is the S3 event, by the template's filter.
func (a *account) objectCreated(bucket, key, etag string, size int64) {
	for resource := range functions() {
		for _, e := range a.stack.function(resource).Events {
			if e.Type != "S3" || !objectFilter(a.t, e.Properties)(key) {
				continue
			}
			id, err := a.functions[resource].InvokeEvent(functiongraph.ObjectCreatedEvent(bucket, key, etag, size, time.Now(), awsRegion))
			if err != nil {
				continue // the account is closing
			}
			a.mu.Lock()
			a.events[resource] = append(a.events[resource], id)
			a.mu.Unlock()
		}
	}
}

// objectFilter is the filter of an S3 event.
func objectFilter(t *testing.T, properties map[string]any) func(key string) bool {
	var filter struct {
		S3Key struct {
			Rules []struct{ Name, Value string }
		}
	}
	convert(t, properties["Filter"], &filter)
	return func(key string) bool {
		return !slices.ContainsFunc(filter.S3Key.Rules, func(rule struct{ Name, Value string }) bool {
			return rule.Name == "prefix" && !strings.HasPrefix(key, rule.Value) || rule.Name == "suffix" && !strings.HasSuffix(key, rule.Value)
		})
	}
}
