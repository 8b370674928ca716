package factory_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

func ref(kind asset.Kind, name string) asset.Ref {
	return asset.Ref{Kind: kind, Name: name, Directory: "/"}
}

// hardNames are names that a path has to escape. The last one is a placeholder in the SDK's templates.
func hardNames() []string {
	return []string{"作业_01", "a b", "100%", "50%25", "a+b", "who?", "#1", "a&b=c", "a;b,c", "(x)", "~t", "*", "é", "{project_id}", "...", "a\\b", `a"b'c`, "😀"}
}

func TestWorkspace_Get(t *testing.T) {
	t.Parallel()
	t.Run("returns the answer's bytes", func(t *testing.T) {
		t.Parallel()
		files, err := filepath.Glob("testdata/*.json")
		if err != nil || len(files) == 0 {
			t.Fatal("no samples", err)
		}
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var named struct{ Name string }
			if err := json.Unmarshal(body, &named); err != nil {
				t.Fatal(err)
			}
			w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(body) })
			got, err := w.Get(t.Context(), ref(asset.Jobs, named.Name), "")
			if err != nil || string(got) != string(body) {
				t.Errorf("%s: %v\n%s", file, err, cmp.Diff(string(body), string(got)))
			}
		}
	})

	t.Run("reaches every name", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{LooseNames: true})
		for _, name := range hardNames() {
			c.put(t, asset.Jobs, job(name, "BATCH"))
			c.put(t, asset.Scripts, script(name))
		}
		for _, name := range hardNames() {
			for _, kind := range []asset.Kind{asset.Jobs, asset.Scripts} {
				if _, err := c.workspace.Get(t.Context(), ref(kind, name), ""); err != nil {
					t.Error(err)
				}
			}
		}
	})

	t.Run("refuses names that are no path segment, without a call", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(http.ResponseWriter, *http.Request) { t.Error("called") })
		for _, name := range []string{"", ".", "..", "a/b", "/"} {
			if _, err := w.Get(t.Context(), ref(asset.Jobs, name), ""); err == nil {
				t.Errorf("%q: no error", name)
			}
		}
		if _, err := w.Get(t.Context(), ref(asset.Resources, "udf"), ""); err == nil {
			t.Error("a resource without an id: no error")
		}
		if _, err := w.Get(t.Context(), ref(asset.Env, "env"), ""); err == nil {
			t.Error("environment variables: no error")
		}
	})

	t.Run("says that an asset is missing, in both envelopes", func(t *testing.T) {
		t.Parallel()
		for _, list := range []bool{false, true} {
			c := newCloud(t, dataarts.Switches{ScriptErrorsEnvelope: list})
			for kind, code := range map[asset.Kind]string{asset.Jobs: "DLF.0100", asset.Scripts: "DLF.6201", asset.Resources: "DLF.6241"} {
				_, err := c.workspace.Get(t.Context(), ref(kind, "ghost"), "0000")
				if !errors.Is(err, factory.ErrNotFound) || !factory.IsCode(err, code) || errors.Is(err, factory.ErrExists) {
					t.Errorf("%s: %v", kind, err)
				}
			}
			if n := len(c.service.Calls()); n != 3 {
				t.Errorf("%d calls for 3 answers", n)
			}
		}
	})

	t.Run("says what failed", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("X-Request-Id", "7f3a")
			rw.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(rw, `{"error_code":"DLF.0100","error_msg":"The job does not exists."}`)
		})
		_, err := w.Get(t.Context(), ref(asset.Jobs, "nightly"), "")
		want := `get job "nightly": DLF.0100: The job does not exists. (status 400 Bad Request, request id 7f3a)`
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		_, err = w.Get(t.Context(), asset.Ref{Kind: asset.Resources, Name: "udf", Directory: "/jars"}, "5")
		if err == nil || !strings.HasPrefix(err.Error(), `get resource "/jars/udf": DLF.0100`) {
			t.Error(err)
		}
	})

	for name, body := range map[string]string{
		"an error with status 200":  `{"error_code":"DLF.0100","error_msg":"The job does not exists."}`,
		"another asset":             `{"name":"other","nodes":[]}`,
		"an asset without a name":   `{"nodes":[]}`,
		"a name that is no string":  `{"name":["a"]}`,
		"an array":                  `[{"name":"a"}]`,
		"a cut off object":          `{"name":"a","nodes":[`,
		"two objects":               `{"name":"a"}{"name":"a"}`,
		"nothing":                   ``,
		"a page of HTML":            `<html>`,
		"name in another spelling":  `{"Name":"a"}`,
		"the name deeper inside":    `{"job":{"name":"a"}}`,
		"a bad escape in the value": `{"name":"a","x":"\q"}`,
	} {
		t.Run("takes no answer for the asset that is "+name, func(t *testing.T) {
			t.Parallel()
			w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, body) })
			got, err := w.Get(t.Context(), ref(asset.Jobs, "a"), "")
			if err == nil || got != nil {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
}

func TestWorkspace_Writes(t *testing.T) {
	t.Parallel()
	type write struct{ create, update string }
	assets := map[asset.Kind]write{
		asset.Jobs:      {job("a", "BATCH"), `{"name":"a","processType":"BATCH","schedule":{"type":"CRON"},"nodes":[],"description":"<&>"}`},
		asset.Scripts:   {script("a"), `{"name":"a","type":"Shell","content":"echo <&> 1.10","directory":"/x","connectionName":"hosts"}`},
		asset.Resources: {resource("/", "a"), `{"name":"a","type":"jar","location":"obs://b/y.jar","directory":"/","desc":"<&>"}`},
	}
	for kind, definition := range assets {
		t.Run("create, read, update and delete "+string(kind), func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, dataarts.Switches{})
			ctx, w := t.Context(), c.workspace
			id, err := w.Create(ctx, kind, json.RawMessage(definition.create))
			if err != nil || (id != "") != (kind == asset.Resources) {
				t.Fatalf("create: %q, %v", id, err)
			}
			if _, err := w.Create(ctx, kind, json.RawMessage(definition.create)); !errors.Is(err, factory.ErrExists) ||
				errors.Is(err, factory.ErrUnknownOutcome) || errors.Is(err, factory.ErrNotFound) {
				t.Errorf("create again: %v", err)
			}
			if err := w.Update(ctx, ref(kind, "a"), id, json.RawMessage(definition.update)); err != nil {
				t.Fatal(err)
			}
			if got, err := w.Get(ctx, ref(kind, "a"), id); err != nil || !strings.Contains(string(got), "<&>") {
				t.Errorf("get: %s, %v", got, err)
			}
			if err := w.Delete(ctx, ref(kind, "a"), id); err != nil {
				t.Fatal(err)
			}
			if err := w.Delete(ctx, ref(kind, "a"), id); !errors.Is(err, factory.ErrNotFound) {
				t.Errorf("delete what is gone: %v", err)
			}
			if err := w.Update(ctx, ref(kind, "a"), id, json.RawMessage(definition.update)); !errors.Is(err, factory.ErrNotFound) {
				t.Errorf("update what is gone: %v", err)
			}
			if c.client.Calls() != int64(len(c.service.Calls())) {
				t.Errorf("%d calls counted of %d", c.client.Calls(), len(c.service.Calls()))
			}
		})
	}

	t.Run("start and stop", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.put(t, asset.Jobs, job("stream", "REAL_TIME"))
		if err := c.workspace.StartJob(t.Context(), "stream"); err != nil {
			t.Fatal(err)
		}
		if status, err := c.workspace.JobStatus(t.Context(), "stream"); err != nil || status != "NORMAL" {
			t.Errorf("%s, %v", status, err)
		}
		if err := c.workspace.StopJob(t.Context(), "stream"); err != nil {
			t.Fatal(err)
		}
		if status := c.inside.JobStatus("stream"); status != "STOPPED" {
			t.Error(status)
		}
		if err := c.workspace.StartJob(t.Context(), "ghost"); !errors.Is(err, factory.ErrNotFound) {
			t.Error(err)
		}
	})

	t.Run("the body goes out byte for byte", func(t *testing.T) {
		t.Parallel()
		definition := "{ \"name\" : \"a\",\n\t\"x\":1.10,\"big\":12345678901234567890,\"s\":\"<&>\\u003c\\/\" }\n"
		w, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) {
			if got, _ := io.ReadAll(r.Body); string(got) != definition {
				t.Errorf("body: %s", got)
			}
			rw.WriteHeader(http.StatusNoContent)
		})
		if _, err := w.Create(t.Context(), asset.Jobs, json.RawMessage(definition)); err != nil {
			t.Error(err)
		}
		if err := w.Update(t.Context(), ref(asset.Jobs, "a"), "", json.RawMessage(definition)); err != nil {
			t.Error(err)
		}
	})

	for name, body := range map[string]string{
		"an error code":          `{"error_code":"DLF.3025","error_msg":"Invalid job scheduling configuration."}`,
		"is_success false":       `{"is_success":false,"message":"no"}`,
		"an error in an array":   `{"errors":[{"error_code":"DLF.3025","error_msg":"no"}]}`,
		"a page of HTML":         `<html>Bad gateway</html>`,
		"a body that is cut off": `{"resourceId":`,
	} {
		t.Run("a write is not done when status 200 comes with "+name, func(t *testing.T) {
			t.Parallel()
			w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, body) })
			if _, err := w.Create(t.Context(), asset.Jobs, json.RawMessage(`{"name":"a"}`)); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestWorkspace_Env(t *testing.T) {
	t.Parallel()
	const list = `{"params":[{"name":"dt","type":"variable","value":"#{DateUtil.now()}","desc":"<&>"}]}`
	for _, answer := range []dataarts.EnvAnswer{dataarts.EnvAnswerHeader, dataarts.EnvAnswerJSON, dataarts.EnvAnswerNoContent} {
		t.Run("is put and read, answered by "+string(answer), func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, dataarts.Switches{EnvAnswer: answer})
			if err := c.workspace.PutEnv(t.Context(), json.RawMessage(list)); err != nil {
				t.Fatal(err)
			}
			if got, err := c.workspace.Env(t.Context()); err != nil || string(got) != list {
				t.Errorf("%s, %v", got, err)
			}
		})
	}

	t.Run("is unsupported where the API answers 404", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{EnvUnsupported: true})
		if _, err := c.workspace.Env(t.Context()); !errors.Is(err, factory.ErrUnsupported) {
			t.Error(err)
		}
		if err := c.workspace.PutEnv(t.Context(), json.RawMessage(list)); !errors.Is(err, factory.ErrUnsupported) || errors.Is(err, factory.ErrNotFound) {
			t.Error(err)
		}
	})

	t.Run("is unsupported without a V2 endpoint", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.options.V2Endpoint = ""
		client := newClient(t, c.options)
		if _, err := client.Workspace("ws-1").Env(t.Context()); !errors.Is(err, factory.ErrUnsupported) {
			t.Error(err)
		}
		if _, err := client.Workspaces(t.Context(), "instance-1"); !errors.Is(err, factory.ErrUnsupported) {
			t.Error(err)
		}
	})

	for body, ok := range map[string]bool{
		`{"params":[]}`: true, `{"params":null}`: true, `{}`: true,
		`{"foo":1}`: false, `{"params":{}}`: false, `[]`: false, ``: false, `{"error_code":"DLF.0819"}`: false,
	} {
		t.Run("takes only a list for a list: "+body, func(t *testing.T) {
			t.Parallel()
			w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, body) })
			got, err := w.Env(t.Context())
			if (err == nil) != ok || ok && string(got) != body || !ok && got != nil {
				t.Errorf("%s, %v", got, err)
			}
		})
	}

	t.Run("is_success false in the header is a failure", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("is_success", "false") })
		if err := w.PutEnv(t.Context(), json.RawMessage(list)); err == nil {
			t.Error("no error")
		}
	})
}

func TestClient_Workspaces(t *testing.T) {
	t.Parallel()
	t.Run("lists all, over several pages", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		want := []factory.WorkspaceInfo{{ID: "ws-1", Name: "default"}}
		for i := range 245 { // of which several pages are read side by side
			info := factory.WorkspaceInfo{ID: fmt.Sprintf("id-%d", i), Name: fmt.Sprintf("space %d", i)}
			want = append(want, info)
			c.service.AddWorkspace(dataarts.Workspace{ID: info.ID, Name: info.Name})
		}
		slices.SortFunc(want, func(a, b factory.WorkspaceInfo) int { return strings.Compare(a.ID, b.ID) })
		got, err := c.client.Workspaces(t.Context(), "instance-1")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("fewer than counted is an error", func(t *testing.T) {
		t.Parallel()
		server := func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("offset") == "0" {
				fmt.Fprint(rw, `{"count":2,"data":[{"id":"a","name":"A"}]}`)
				return
			}
			fmt.Fprint(rw, `{"count":2,"data":[]}`)
		}
		c := clientOf(t, server)
		if got, err := c.Workspaces(t.Context(), "i"); err == nil || !strings.Contains(err.Error(), "counts 2 workspaces and lists 1") {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestClient_Headers(t *testing.T) {
	t.Parallel()
	c := clientOf(t, func(rw http.ResponseWriter, r *http.Request) {
		for name, want := range map[string]string{
			"X-Project-Id": project, "workspace": "ws-7", "X-Security-Token": keys().SecurityToken,
			"User-Agent": "dataarts-backup/test", "Content-Type": "application/json;charset=UTF-8",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		fmt.Fprint(rw, `{"params":[]}`)
	})
	if _, err := c.Workspace("ws-7").Env(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.Calls() != 1 {
		t.Errorf("%d calls", c.Calls())
	}
}

func TestClient_Credentials(t *testing.T) {
	t.Parallel()
	t.Run("a wrong key is unauthorized and not tried again", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.options.Credentials.SecretKey = "wrong"
		_, err := newClient(t, c.options).Workspace("ws-1").Get(t.Context(), ref(asset.Jobs, "a"), "")
		if !errors.Is(err, factory.ErrUnauthorized) || len(c.service.Calls()) != 1 {
			t.Errorf("%v after %d calls", err, len(c.service.Calls()))
		}
		if strings.Contains(err.Error(), "wrong") || strings.Contains(err.Error(), keys().AccessKey) || strings.Contains(err.Error(), keys().SecurityToken) {
			t.Errorf("the error tells a secret: %v", err)
		}
	})
	t.Run("a gateway that quotes the keys is told of without them", func(t *testing.T) {
		t.Parallel()
		server := serve(t, func(rw http.ResponseWriter, r *http.Request) {
			rw.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(rw, `{"error_code":"APIG.0301","error_msg":"Incorrect IAM authentication information: Get secretKey failed,ak:%s,err:ak not exist; %s"}`,
				keys().AccessKey, r.Header.Get("Authorization"))
		})
		_, err := newClient(t, options(server, newClock())).Workspace("w").Get(t.Context(), ref(asset.Jobs, "a"), "")
		if !errors.Is(err, factory.ErrUnauthorized) || !strings.Contains(err.Error(), "ak:***") || strings.Contains(err.Error(), keys().AccessKey) {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("permanent keys go without a token", func(t *testing.T) {
		t.Parallel()
		k := keys()
		k.SecurityToken = ""
		keyring := &iam.Keyring{}
		keyring.Add(iam.Credentials{AccessKey: k.AccessKey, SecretKey: k.SecretKey})
		clk := newClock()
		server := serve(t, func(rw http.ResponseWriter, r *http.Request) {
			if _, err := keyring.VerifySDK(r, nil, clk.Now()); err != nil {
				t.Error(err)
			}
			fmt.Fprint(rw, `{"name":"a"}`)
		})
		o := options(server, clk)
		o.Credentials = k
		if _, err := newClient(t, o).Workspace("w").Get(t.Context(), ref(asset.Jobs, "a"), ""); err != nil {
			t.Error(err)
		}
	})
	t.Run("an endpoint with a folder is signed with it", func(t *testing.T) {
		t.Parallel()
		k := keys()
		keyring := &iam.Keyring{}
		keyring.Add(iam.Credentials{AccessKey: k.AccessKey, SecretKey: k.SecretKey, SecurityToken: k.SecurityToken})
		clk := newClock()
		server := serve(t, func(rw http.ResponseWriter, r *http.Request) {
			if _, err := keyring.VerifySDK(r, nil, clk.Now()); err != nil || !strings.HasPrefix(r.URL.Path, "/dlf/eu/v1/") {
				t.Error(err, r.URL.Path)
			}
			fmt.Fprint(rw, `{"name":"a b"}`)
		})
		if _, err := newClient(t, options(server+"/dlf/eu/", clk)).Workspace("w").Get(t.Context(), ref(asset.Jobs, "a b"), ""); err != nil {
			t.Error(err)
		}
	})
}
