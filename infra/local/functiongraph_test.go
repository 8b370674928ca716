package local_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
)

// manifest is what the tests read of manifest.json.
type manifest struct {
	FormatVersion                               int
	BackupDate, ProjectID, Region, Tool, Status string
	Workspace                                   struct{ ID, Name string }
	StartedAt, FinishedAt                       time.Time
	Totals, Counts                              map[string]int
	Drift                                       []struct{ Kind, Name, Change string }
	Missing                                     []missing
	Unsupported                                 []struct{ Kind, Reason string }
	Previous                                    *struct{ Path, SHA256 string }
	Assets                                      []manifestAsset
}

type manifestAsset struct {
	Kind, Name, Directory, Key, SHA256, ContentSHA256 string
	Size                                              int64
	Files                                             []struct {
		Location, Key, SHA256, Reason string
		Size                          int64
	}
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// provedBackup checks a committed folder against itself, with nothing but the bytes in the bucket, and returns its manifest.
func provedBackup(t *testing.T, c *local.Cloud, folder string) manifest {
	t.Helper()
	raw := object(t, c, folder+"manifest.json")
	m := parse[manifest](t, raw)
	var document struct {
		FormatVersion              int
		BackupDate, ManifestSHA256 string
		Workspace                  struct{ ID, Name string }
	}
	if err := json.Unmarshal(object(t, c, folder+"backup.json"), &document); err != nil {
		t.Fatal(err)
	}
	if document.ManifestSHA256 != hash(raw) {
		t.Errorf("backup.json commits to the manifest %s, the one there is %s", document.ManifestSHA256, hash(raw))
	}
	if document.FormatVersion != 1 || document.BackupDate != m.BackupDate || document.Workspace != m.Workspace {
		t.Errorf("backup.json says %+v", document)
	}
	if m.FormatVersion != 1 || m.Status != "COMPLETE" || len(m.Missing) > 0 || m.StartedAt.IsZero() || m.FinishedAt.Before(m.StartedAt) {
		t.Errorf("the manifest says format %d, %s, missing %v, from %v to %v", m.FormatVersion, m.Status, m.Missing, m.StartedAt, m.FinishedAt)
	}
	want := []string{folder + "backup.json", folder + "manifest.json"}
	stored := func(what, key, sum string, size int64) {
		data := object(t, c, folder+key)
		if hash(data) != sum || int64(len(data)) != size {
			t.Errorf("%s: stored are %d bytes with %s, the manifest says %d with %s", what, len(data), hash(data), size, sum)
		}
		want = append(want, folder+key)
	}
	counts := map[string]int{}
	for _, a := range m.Assets {
		stored(a.Kind+" "+a.Name, a.Key, a.SHA256, a.Size)
		if a.ContentSHA256 != a.SHA256 {
			t.Errorf("%s %s: contentSha256 of a plain file differs from sha256", a.Kind, a.Name)
		}
		counts[a.Kind]++
		for _, f := range a.Files {
			if f.Key != "" {
				stored(f.Location, f.Key, f.SHA256, f.Size)
			} else if f.Reason == "" {
				t.Errorf("%s of %s is not there, and nothing says why", f.Location, a.Name)
			}
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, keys(t, c, folder)); diff != "" {
		t.Errorf("objects the manifest speaks for (-) and those there are (+):\n%s", diff)
	}
	for kind, n := range counts {
		if kind != "env" && (m.Counts[kind] != n || m.Totals[kind] != n) {
			t.Errorf("%s: %d are there, counted %d of %d", kind, n, m.Counts[kind], m.Totals[kind])
		}
	}
	return m
}

// expectedKeys are the keys of a workspace's assets, by the rules of the layout.
func expectedKeys(w *dataarts.WorkspaceHandle) []string {
	want := []string{"1_env/env.json"}
	for kind, layout := range map[dataarts.Kind]string{dataarts.Resources: "2_resources%s.resource", dataarts.Scripts: "3_scripts/%s.script", dataarts.Jobs: "4_jobs/%s.job"} {
		for identity := range w.All(kind) {
			want = append(want, fmt.Sprintf(layout, identity))
		}
	}
	slices.Sort(want)
	return want
}

func TestFunctionGraph_backs_up_at_midnight_and_restores_by_HTTP(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string]functiongraph.KeyHeaders{"documented_key_headers": functiongraph.DocumentedKeys, "security_key_headers": functiongraph.SecurityKeys} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, w := filled(t, local.Options{KeyHeaders: headers})
			before := local.TakeSnapshot(w)

			night, err := c.Midnight(t.Context(), midnight())
			if err != nil || night.Status != functiongraph.AsyncSuccess || night.Attempts != 1 {
				t.Fatalf("%+v, %v: %s", night, err, night.Result.Payload)
			}
			got := parse[backups](t, night.Result.Payload)
			const folder = local.WorkspaceID + "/2026-11-22/"
			if got.Status != "COMPLETE" || len(got.Backups) != 1 || got.Backups[0].Path != "obs://"+local.Bucket+"/"+folder {
				t.Fatalf("answer %+v", got)
			}
			if diff := cmp.Diff(map[string]int{"env": 5, "resources": 3, "scripts": 6, "jobs": 8}, got.Backups[0].Counts); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
			if calls := len(c.DataArts.Calls()); got.Backups[0].Calls > calls || got.Backups[0].Calls == 0 {
				t.Errorf("the answer counts %d calls, %d arrived", got.Backups[0].Calls, calls)
			}
			m := provedBackup(t, c, folder)
			if m.BackupDate != "2026-11-22" || m.Workspace.ID != local.WorkspaceID || m.Workspace.Name != "warehouse" || m.ProjectID != local.ProjectID || m.Region != local.Region {
				t.Errorf("the manifest is of %s, %+v, %s, %s", m.BackupDate, m.Workspace, m.ProjectID, m.Region)
			}
			var assetKeys []string
			for _, a := range m.Assets {
				assetKeys = append(assetKeys, a.Key)
			}
			slices.Sort(assetKeys)
			if diff := cmp.Diff(expectedKeys(w), assetKeys); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if n := len(keys(t, c, folder+"2_resources/jars/etl_000.files/")); n != 2 {
				t.Errorf("%d files of a jar with one package are stored", n)
			}

			edit(t, c, folder, `"node": "load", "clusterName": "cdm-prod"`, `"node": "load", "clusterName": "cdm-dr"`)
			edit(t, c, folder, `"replace": {"connectionName": {}`, `"replace": {"connectionName": {"dws_prod": "dws_dr"}`)
			w.Wipe()
			final := restoreByHTTP(t, c, `{"id":"after-the-wipe","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
			final.wants(t, "COMPLETE", map[string]int{"created": 5 + 3 + 6 + 8})
			if final.Progress.Done != final.Progress.Total || final.FinishedAt == nil || final.DuplicateNamePolicy != "overwrite" {
				t.Errorf("report %+v", final)
			}
			differences, err := before.Differences(local.TakeSnapshot(w))
			if err != nil {
				t.Fatal(err)
			}
			checkEdits(t, differences)

			again, err := c.Backup.Invoke(t.Context(), []byte(`{}`))
			if err != nil || again.FunctionError != nil {
				t.Fatalf("%v %+v", err, again.FunctionError)
			}
			byHand := parse[backups](t, again.Payload).Backups[0]
			second := provedBackup(t, c, strings.TrimPrefix(byHand.Path, "obs://"+local.Bucket+"/"))
			sameContent(t, m, second, differences)
		})
	}
}

// edit changes backup.json as an operator does with an editor; what is replaced must be there.
func edit(t *testing.T, c *local.Cloud, folder, old, now string) {
	t.Helper()
	text := string(object(t, c, folder+"backup.json"))
	if !strings.Contains(text, old) {
		t.Fatalf("backup.json has no %s:\n%s", old, text)
	}
	if err := c.Store.PutObject(local.Bucket, folder+"backup.json", []byte(strings.Replace(text, old, now, 1))); err != nil {
		t.Fatal(err)
	}
}

// restoreByHTTP asks the gateway for a restore and polls until it is over.
func restoreByHTTP(t *testing.T, c *local.Cloud, request string) report {
	t.Helper()
	response, body := call(t, c, http.MethodPost, "/restores", request)
	location := response.Header.Get("Location")
	if response.StatusCode != http.StatusAccepted || !strings.HasPrefix(location, "/restores/") {
		t.Fatalf("%s, Location %q: %s", response.Status, location, body)
	}
	if n := len(keys(t, c, "restore-requests/")); n != 1 {
		t.Errorf("%d requests are stored", n)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; {
		response, body := call(t, c, http.MethodGet, location, "")
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", response.Status, body)
		}
		r := parse[report](t, body)
		if r.Status != "RUNNING" {
			return r
		}
		if time.Now().After(deadline) {
			t.Fatalf("the restore is not over: %+v", r.Progress)
		}
		time.Sleep(20 * time.Millisecond) // what it waits for is another process
	}
}

// checkEdits holds the differences against what was edited: one cluster (whose id is dropped), and one connection everywhere.
func checkEdits(t *testing.T, differences []local.Difference) {
	t.Helper()
	clusters, connections := 0, 0
	for _, d := range differences {
		switch {
		case d.From == `"cdm-prod"` && d.To == `"cdm-dr"`:
			clusters++
		case d.From == `"dws_prod"` && d.To == `"dws_dr"`:
			connections++
		case strings.HasSuffix(d.Path, ".properties") && strings.Contains(d.From, "clusterId") && !strings.Contains(d.To, "clusterId"):
			if !strings.Contains(d.To, "cdm-dr") {
				t.Errorf("%v", d)
			}
			clusters++
		default:
			t.Errorf("nobody asked for %v", d)
		}
	}
	if clusters != 1 || connections == 0 {
		t.Errorf("%d clusters and %d connections are edited: %v", clusters, connections, differences)
	}
}

// sameContent wants the assets that were not edited to be stored as the same bytes.
func sameContent(t *testing.T, first, second manifest, edited []local.Difference) {
	t.Helper()
	sums := map[string]string{}
	for _, a := range first.Assets {
		sums[a.Key] = a.ContentSHA256
	}
	if len(second.Assets) != len(first.Assets) {
		t.Errorf("%d assets, then %d", len(first.Assets), len(second.Assets))
	}
	for _, a := range second.Assets {
		identity := a.Kind + " " + a.Name
		if slices.ContainsFunc(edited, func(d local.Difference) bool { return d.Asset == identity }) {
			continue
		}
		if sums[a.Key] != a.ContentSHA256 {
			t.Errorf("%s has another contentSha256 after the restore", a.Key)
		}
	}
}

func TestGateway_lets_nobody_in_without_the_application_code(t *testing.T) {
	t.Parallel()
	c := start(t, local.Options{})
	for _, path := range []string{"/restores", "/", "/backups"} {
		response, err := http.Get(c.GatewayURL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("GET %s without a code: %s", path, response.Status)
		}
	}
	if n := c.Restore.Instances(); n != 0 {
		t.Errorf("%d functions were started for requests that were refused", n)
	}
	response, body := call(t, c, http.MethodGet, "/restores", "")
	if response.StatusCode != http.StatusOK {
		t.Errorf("with the code: %s: %s", response.Status, body)
	}
	u, err := url.Parse(c.PageURL())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	page, err := client.Get(c.PageURL())
	if err != nil {
		t.Fatal(err)
	}
	_ = page.Body.Close()
	if page.StatusCode != http.StatusSeeOther || page.Header.Get("Location") != "/" || len(page.Cookies()) != 1 || u.Host == "" {
		t.Errorf("the page's address: %s to %q with cookies %v", page.Status, page.Header.Get("Location"), page.Cookies())
	}
}

func TestStart_says_how_to_get_binaries_that_are_missing(t *testing.T) {
	t.Parallel()
	_, err := local.Start(t.Context(), local.Options{Dist: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "run make build") {
		t.Errorf("got %v", err)
	}
}

func TestConsole_shows_backups_and_restores_to_a_browser(t *testing.T) {
	t.Parallel()
	c, w, _ := backedUp(t)
	w.Wipe()
	restoreByHTTP(t, c, `{"id":"shown","date":"latest","duplicateNamePolicy":"skip"}`)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	for address, want := range map[string][]string{
		c.PageURL(): {"<html", "2026-11-22", "COMPLETE", "Manage Backup"},
		// The cookie of the page's address lets the browser in from then on, in whatever order these are asked for.
		c.PageURL() + "&workspace=" + local.WorkspaceID: {"<html", "2026-11-22"},
	} {
		response, err := browser.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s %v: %s", response.Status, err, page)
		}
		for _, text := range want {
			if !strings.Contains(string(page), text) {
				t.Errorf("the page lacks %q", text)
			}
		}
	}
	response, body := call(t, c, http.MethodGet, "/backups", "")
	list := parse[struct {
		Backups []struct{ Name, Status string }
	}](t, body)
	if response.StatusCode != http.StatusOK || len(list.Backups) != 1 || list.Backups[0].Name != "2026-11-22" || list.Backups[0].Status != "COMPLETE" {
		t.Errorf("GET /backups: %s: %s", response.Status, body)
	}
}
