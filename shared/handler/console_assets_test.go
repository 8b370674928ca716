package handler_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// keptAsset is an asset of a backup that a test makes up.
type keptAsset struct {
	kind       asset.Kind
	name       string
	directory  string
	definition string
	files      []string // obs:// paths of files that a resource points to
}

func (a keptAsset) ref() asset.Ref {
	return asset.Ref{Kind: a.kind, Name: a.name, Directory: a.directory}
}

func (a keptAsset) key() string { return a.ref().Key() }

func variables(definition string) keptAsset {
	return keptAsset{kind: asset.Env, name: asset.EnvName, definition: definition}
}

func script(name, kind, content string) keptAsset {
	return keptAsset{kind: asset.Scripts, name: name, directory: "/", definition: fmt.Sprintf(`{"name":%q,"type":%q,"content":%q,"connectionName":"hive","database":"dwd"}`, name, kind, content)}
}

func hiveJob(name, node, connection string) keptAsset {
	return keptAsset{kind: asset.Jobs, name: name, directory: "/", definition: fmt.Sprintf(
		`{"name":%q,"nodes":[{"name":%q,"type":"HiveSQL","properties":[{"name":"scriptName","value":"load"},{"name":"connectionName","value":%q}]}]}`, name, node, connection)}
}

// keep writes a complete backup of workspace ws1 with these assets, encrypted if there are recipients.
func (b *consoleBench) keep(name string, recipients []string, assets ...keptAsset) *vault.Manifest {
	b.t.Helper()
	return b.keepAs(vault.Complete, name, recipients, assets...)
}

func (b *consoleBench) keepAs(status vault.Status, name string, recipients []string, assets ...keptAsset) *vault.Manifest {
	b.t.Helper()
	ctx := b.t.Context()
	keys, err := vault.ParseKeys(recipients, "")
	if err != nil {
		b.t.Fatal(err)
	}
	w, err := b.vault("factory").WithKeys(keys).Folder(name).Begin(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	started := time.Date(2026, 11, 22, 0, 0, 3, 0, time.UTC)
	m := &vault.Manifest{FormatVersion: vault.FormatVersion, BackupDate: name[:10], Workspace: vault.Workspace{ID: "ws1", Name: "sales"}, ProjectID: "project", Region: "eu-de",
		Tool: "dataarts-backup/test", StartedAt: started, FinishedAt: started.Add(time.Minute), Status: status, Totals: map[asset.Kind]int{}, Counts: map[asset.Kind]int{}}
	for _, kept := range assets {
		a, err := w.Put(ctx, kept.ref(), []byte(kept.definition))
		if err != nil {
			b.t.Fatal(err)
		}
		for _, location := range kept.files {
			file := vault.File{Location: location, Reason: "not on OBS"}
			if strings.HasPrefix(location, "obs://") {
				if file, err = w.CopyFile(ctx, kept.ref(), location); err != nil {
					b.t.Fatal(err)
				}
			}
			a.Files = append(a.Files, file)
		}
		m.Assets = append(m.Assets, a)
		m.Totals[kept.kind]++
		m.Counts[kept.kind]++
		w.Bind(kept.ref(), asset.Bindings(kept.kind, []byte(kept.definition)))
	}
	if err := w.Commit(ctx, m, nil); err != nil {
		b.t.Fatal(err)
	}
	return m
}

// wholeAnswer is an answer with its body decoded.
type wholeAnswer struct {
	Status int
	Header map[string]string
	Body   []byte
}

func (a wholeAnswer) plain() consoleAnswer {
	return consoleAnswer{Status: a.Status, Header: a.Header, Body: string(a.Body)}
}

// ask sends a request with headers and a body, in the form of an APIG event.
func (b *consoleBench) ask(method, target, body string, header map[string]string) wholeAnswer {
	b.t.Helper()
	return b.askWithin(b.t.Context(), method, target, body, header)
}

func (b *consoleBench) askWithin(ctx context.Context, method, target, body string, header map[string]string) wholeAnswer {
	b.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		b.t.Fatal(err)
	}
	headers := map[string]string{"accept": "*/*"}
	maps.Copy(headers, header)
	payload, err := json.Marshal(map[string]any{"body": base64.StdEncoding.EncodeToString([]byte(body)), "isBase64Encoded": true, "httpMethod": method, "path": u.Path,
		"queryStringParameters": u.Query(), "headers": headers, "requestContext": map[string]string{"stage": "RELEASE"}})
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := b.invoke(ctx, payload)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, target, err)
	}
	raw, _ := answer.(json.RawMessage)
	if len(raw) > 6_000_000 {
		b.t.Fatalf("%s %s: the answer has %d bytes, and the platform takes 6 MB", method, target, len(raw))
	}
	var a struct {
		consoleAnswer
		IsBase64Encoded bool `json:"isBase64Encoded"`
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		b.t.Fatal(err)
	}
	whole := wholeAnswer{Status: a.Status, Header: a.Header, Body: []byte(a.Body)}
	if a.IsBase64Encoded {
		if whole.Body, err = base64.StdEncoding.DecodeString(a.Body); err != nil {
			b.t.Fatal(err)
		}
	}
	return whole
}

// assetPath is the path and query for one asset.
func assetPath(backup, key string, more ...string) string {
	q := url.Values{"key": {key}}
	for _, name := range more {
		q.Set(name, "true")
	}
	return "/backups/" + backup + "/asset?" + q.Encode()
}

type consoleAsset struct {
	Asset             vault.Asset
	Definition        json.RawMessage
	Masked, Encrypted bool
	Text              *struct{ Language, Content string }
	References        []struct {
		Relation, Kind, Name, Directory, Location, Key string
		InBackup                                       *bool
	}
}

// hostileNames are names that somebody chose who wants to break something.
func hostileNames() []string {
	return []string{"<script>alert(1)</script>", `"quoted" 'name' \ back`, "../../etc/passwd", "..", ".hidden", "订单_日报", "𝒳🎉", "a,b;c=d", "[x]*?", "line\r\nX-Evil: 1", "cod\u202egpj.exe",
		"%2e%2e%2f", "C:\\Windows", strings.Repeat("长", 120)}
}

func TestConsole_Asset(t *testing.T) {
	t.Parallel()

	t.Run("is_shown_as_it_is_stored", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		definition := `{"zulu":12345678901234567890.10,"name":"j","alpha":[1.0,1e2,-0],"text":"<b>&amp;</b>","nodes":[]}`
		job := keptAsset{kind: asset.Jobs, name: "j", directory: "/", definition: definition}
		m := b.keep("2026-11-22", nil, job)
		a := b.ask("GET", assetPath("2026-11-22", job.key()), "", nil)
		got := decodeConsole[consoleAsset](t, a.plain(), 200)
		want := strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`).Replace(definition)
		if string(got.Definition) != want && string(got.Definition) != definition {
			t.Errorf("definition %s, want %s", got.Definition, definition)
		}
		if got.Masked || got.Encrypted || got.Text != nil || got.Asset.SHA256 != m.Assets[0].SHA256 || a.Header["Content-Type"] != "application/json" {
			t.Errorf("%+v %v", got, a.Header)
		}
	})

	t.Run("has_the_text_of_a_script_and_its_language", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		content := "SELECT '<script>' -- \"x\"\n;\t订单 🎉"
		languages := map[string]string{"HiveSQL": "sql", "RDS SQL": "sql", "ClickHouseSQL": "sql", "PRESTO": "sql", "Shell": "shell", "PYTHON": "python", "Spark Python": "python",
			"SparkPython": "python", "Fortran": "text"}
		var all []keptAsset
		for kind := range languages {
			all = append(all, script(kind, kind, content))
		}
		noText := keptAsset{kind: asset.Scripts, name: "none", directory: "/", definition: `{"name":"none","type":"Shell"}`}
		b.keep("2026-11-22", nil, append(all, noText)...)
		for kind, want := range languages {
			got := decodeConsole[consoleAsset](t, b.ask("GET", assetPath("2026-11-22", script(kind, kind, "").key()), "", nil).plain(), 200)
			if got.Text == nil || got.Text.Language != want || got.Text.Content != content {
				t.Errorf("%s: %+v", kind, got.Text)
			}
		}
		if got := decodeConsole[consoleAsset](t, b.ask("GET", assetPath("2026-11-22", noText.key()), "", nil).plain(), 200); got.Text != nil {
			t.Errorf("%+v", got.Text)
		}
	})

	t.Run("names_what_it_needs_and_where_the_backup_has_it", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.put("jars/udf.jar", "jar")
		job := keptAsset{kind: asset.Jobs, name: "j", directory: "/", definition: `{"name":"j","schedule":{"cron":{"dependJobs":{"jobs":["before","gone"],"otherWorkSpaceJobs":[{"jobName":"far"}]}}},
			"nodes":[{"name":"n","type":"SubJob","properties":[{"name":"jobName","value":"sub"},{"name":"note","value":"no name of a job"},{"name":"scriptName","value":"load"},
			{"name":"x","value":"#{Env.get('HOST')} #{Env.get('LOST')}"}]},
			{"name":"m","type":"MRSSpark","properties":[{"name":"jarPath","value":"obs://backups/jars/udf.jar"},{"name":"in","value":"obs://data/in/"}]}]}`}
		b.keep("2026-11-22", nil, job, variables(`{"params":[{"name":"HOST","type":"variable","value":"v"}]}`),
			keptAsset{kind: asset.Jobs, name: "before", directory: "/", definition: `{}`}, keptAsset{kind: asset.Jobs, name: "sub", directory: "/", definition: `{}`}, script("load", "HiveSQL", ""),
			keptAsset{kind: asset.Resources, name: "udf", directory: "/jars", definition: `{}`, files: []string{"obs://backups/jars/udf.jar"}})
		got := decodeConsole[consoleAsset](t, b.ask("GET", assetPath("2026-11-22", job.key()), "", nil).plain(), 200)
		var lines []string
		for _, r := range got.References {
			lines = append(lines, fmt.Sprintf("%s %s %s %s %s %v %s", r.Relation, r.Kind, r.Directory, r.Name, r.Location, *r.InBackup, r.Key))
		}
		want := []string{"waitsFor jobs  before  true 4_jobs/before.job", "waitsFor jobs  gone  false ", "waitsForElsewhere jobs  far  false ", "calls jobs  sub  true 4_jobs/sub.job",
			"runs scripts  load  true 3_scripts/load.script", "uses resources /jars udf obs://backups/jars/udf.jar true 2_resources/jars/udf.resource",
			"uses resources   obs://data/in/ false ", "reads env  HOST  true 1_env/env.json", "reads env  LOST  false "}
		if !slices.Equal(lines, want) {
			t.Errorf("references\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
		}
		// Variables that cannot be read are neither there nor not there.
		b.put("factory/2026-11-22/1_env/env.json", "{}")
		got = decodeConsole[consoleAsset](t, b.ask("GET", assetPath("2026-11-22", job.key()), "", nil).plain(), 200)
		if last := got.References[len(got.References)-1]; last.Name != "LOST" || last.InBackup != nil {
			t.Errorf("%+v", last)
		}
	})

	t.Run("is_not_shown_where_its_bytes_are_not_those_of_the_manifest", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		s := script("load", "HiveSQL", "SELECT 1")
		b.keep("2026-11-22", nil, s, hiveJob("j", "n", "hive"))
		key := "factory/2026-11-22/" + s.key()
		for what, harm := range map[string]func(){"changed": func() { b.put(key, s.definition+" ") }, "gone": func() { b.remove(key) }} {
			harm()
			for _, target := range []string{assetPath("2026-11-22", s.key()), assetPath("2026-11-22", s.key(), "raw"), "/backups/2026-11-22/export"} {
				e := decodeConsole[consoleError](t, b.ask("GET", target, "", nil).plain(), 409)
				if e.Error.Code != "conflict" || !strings.Contains(e.Error.Message, s.key()) || strings.Contains(e.Error.Message, "SELECT") {
					t.Errorf("%s, %s: %+v", what, target, e)
				}
			}
		}
	})

	t.Run("is_found_by_a_key_of_the_manifest_and_by_no_other", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.keep("2026-11-22", nil, script("load", "HiveSQL", ""))
		b.keep("2026-11-21", nil, script("other", "HiveSQL", ""))
		b.put("factory/secret.json", "{}")
		for _, key := range []string{"3_scripts/other.script", "../2026-11-21/3_scripts/other.script", "3_scripts/../3_scripts/load.script", "../secret.json", "/3_scripts/load.script", "backup.json",
			"manifest.json", "obs://backups/factory/2026-11-22/3_scripts/load.script", "3_scripts/", "\x00", strings.Repeat("x", 5000)} {
			e := decodeConsole[consoleError](t, b.ask("GET", assetPath("2026-11-22", key), "", nil).plain(), 404)
			if e.Error.Code != "not_found" {
				t.Errorf("%.60s: %+v", key, e)
			}
			decodeConsole[consoleError](t, b.ask("GET", assetPath("2026-11-22", key, "raw"), "", nil).plain(), 404)
		}
		e := decodeConsole[consoleError](t, b.ask("GET", "/backups/x/asset?reveal=perhaps&raw=1", "", nil).plain(), 400)
		for _, want := range []string{"key: missing", `reveal: "perhaps"`, `raw: "1"`, `name: "x"`} {
			if !strings.Contains(e.Error.Message, want) {
				t.Errorf("%s is not named: %s", want, e.Error.Message)
			}
		}
	})

	t.Run("is_shown_of_whatever_a_manifest_speaks_for", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		s := script("load", "HiveSQL", "x")
		b.keepAs(vault.Partial, "2026-12-01", nil, s)
		decodeConsole[consoleAsset](t, b.ask("GET", assetPath("2026-12-01", s.key()), "", nil).plain(), 200)
		for name, want := range map[string]int{"2026-11-03": 409, "2026-11-05": 409, "2026-11-06": 409, "2026-11-07": 409, "2026-11-08": 409, "2026-11-09": 409, "2026-01-01": 404} {
			for _, target := range []string{assetPath(name, "3_scripts/dim.script"), "/backups/" + name + "/export"} {
				if a := b.ask("GET", target, "", nil); a.Status != want {
					t.Errorf("%s: %d, want %d: %s", target, a.Status, want, a.Body)
				}
			}
		}
	})

	t.Run("of_an_encrypted_backup_needs_the_key_that_is_named", func(t *testing.T) {
		t.Parallel()
		id, other := newAgeIdentity(t), newAgeIdentity(t)
		b := newConsoleBench(t)
		s := script("load", "HiveSQL", "TOPSECRET")
		b.keep("2026-11-22", []string{id.Recipient().String()}, s, hiveJob("j", "n", "hive"), variables(`{"params":[]}`))
		key := s.key() + ".age"
		for identity, want := range map[string]string{"": "set RESTORE_IDENTITY to the age private key of recipient " + id.Recipient().String(),
			other.String(): "cannot be read with the age private key in RESTORE_IDENTITY"} {
			b.env["RESTORE_IDENTITY"] = identity
			for _, target := range []string{assetPath("2026-11-22", key), "/backups/2026-11-22/export?names=j&withDependencies=true", "/backups/2026-11-22/export?kinds=env&names=X"} {
				e := decodeConsole[consoleError](t, b.ask("GET", target, "", nil).plain(), 409)
				if !strings.Contains(e.Error.Message, want) || identity != "" && strings.Contains(e.Error.Message, identity) {
					t.Errorf("%s: %s", target, e.Error.Message)
				}
			}
			stored, _ := b.objects.GetObject(consoleBucket, "factory/2026-11-22/"+key)
			if raw := b.ask("GET", assetPath("2026-11-22", key, "raw"), "", nil); raw.Status != 200 || string(raw.Body) != string(stored) {
				t.Errorf("raw: %d, %d bytes, %d are stored", raw.Status, len(raw.Body), len(stored))
			}
		}
		b.env["RESTORE_IDENTITY"] = id.String()
		got := decodeConsole[consoleAsset](t, b.ask("GET", assetPath("2026-11-22", key), "", nil).plain(), 200)
		if !got.Encrypted || got.Text == nil || got.Text.Content != "TOPSECRET" {
			t.Errorf("%+v", got)
		}
	})

	t.Run("that_is_too_large_is_refused_with_the_place_where_it_lies", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		huge, quoted := script("huge", "Shell", strings.Repeat("x", 4<<20)), script("quoted", "Shell", strings.Repeat(`"`, 1<<20))
		quotedRaw := script("raw", "Shell", strings.Repeat(`"`, 1_900_000))
		b.keep("2026-11-22", nil, huge, quoted, quotedRaw)
		for _, target := range []string{assetPath("2026-11-22", huge.key()), assetPath("2026-11-22", quoted.key()), assetPath("2026-11-22", quotedRaw.key(), "raw")} {
			e := decodeConsole[consoleError](t, b.ask("GET", target, "", nil).plain(), 413)
			if e.Error.Code != "too_large" || !strings.Contains(e.Error.Message, "obs://backups/factory/2026-11-22/3_scripts/") {
				t.Errorf("%s: %+v", target, e)
			}
		}
		if raw := b.ask("GET", assetPath("2026-11-22", huge.key(), "raw"), "", nil); raw.Status != 200 || string(raw.Body) != huge.definition {
			t.Errorf("raw: %d, %d bytes", raw.Status, len(raw.Body))
		}
	})

	t.Run("that_does_not_come_in_time_is_a_504", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newConsoleBench(t)
			s := script("load", "HiveSQL", "x")
			b.keep("2026-11-22", nil, s)
			b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
				if c.Operation == "GetObject" && strings.HasSuffix(c.Key, ".script") {
					return &objectstore.Fault{Delay: time.Minute}
				}
				return nil
			})
			for _, target := range []string{assetPath("2026-11-22", s.key()), "/backups/2026-11-22/export"} {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				e := decodeConsole[consoleError](t, b.askWithin(ctx, "GET", target, "", nil).plain(), 504)
				cancel()
				if e.Error.Code != "timeout" || !strings.Contains(e.Error.Message, "obs://backups/factory/2026-11-22/") {
					t.Errorf("%s: %+v", target, e)
				}
			}
		})
	})

	t.Run("is_a_file_that_no_browser_takes_for_a_page_whatever_its_name", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		var all []keptAsset
		for _, name := range hostileNames() {
			all = append(all, script(name, "Shell", "<html><script>alert(1)</script>"))
		}
		b.keep("2026-11-22", nil, all...)
		for _, s := range all {
			a := b.ask("GET", assetPath("2026-11-22", s.key(), "raw"), "", nil)
			if a.Status != 200 || string(a.Body) != s.definition || a.Header["Content-Type"] != "application/octet-stream" || a.Header["X-Content-Type-Options"] != "nosniff" {
				t.Errorf("%q: %d %v", s.name, a.Status, a.Header)
			}
			disposition := a.Header["Content-Disposition"]
			plain, encoded, ok := strings.Cut(strings.TrimPrefix(disposition, `attachment; filename="`), `"; filename*=UTF-8''`)
			if !ok || strings.Trim(plain, "-_.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" || !strings.HasSuffix(plain, ".script") || strings.HasPrefix(plain, ".") ||
				strings.Trim(encoded, "%-_.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" || len(plain) > 255 {
				t.Errorf("%q: %s", s.name, disposition)
			}
			if file, err := url.PathUnescape(encoded); err != nil || strings.ContainsAny(file, "/\\\r\n\"<>") || strings.HasPrefix(file, ".") {
				t.Errorf("%q: the file would be called %q", s.name, file)
			}
			shown := decodeConsole[consoleAsset](t, b.ask("GET", assetPath("2026-11-22", s.key()), "", nil).plain(), 200)
			if shown.Asset.Name != s.name {
				t.Errorf("%q is shown as %q", s.name, shown.Asset.Name)
			}
		}
	})
}

func newAgeIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestConsole_ShowsNoValueOfAVariableUnlessAskedTo(t *testing.T) {
	t.Parallel()
	// What a list of variables may look like: as it is documented, with fields that nobody has heard of, and wrong in every way.
	const secret = "hunter2-top-secret"
	lists := map[string]string{
		"as documented":        `{"params":[{"name":"A","type":"variable","value":"` + secret + `"},{"name":"B","type":"constant","value":"` + secret + `"}]}`,
		"a value of any type":  `{"params":[{"name":"A","value":{"` + secret + `":1}},{"name":"B","value":["` + secret + `"]},{"name":"C","value":4711474711}]}`,
		"fields unheard of":    `{"params":[{"name":"A","value":null,"oldValue":"` + secret + `","history":[{"value":"` + secret + `"}]}]}`,
		"names that are none":  `{"params":[{"name":{"x":"` + secret + `"},"type":["` + secret + `"],"value":"x"}]}`,
		"fields beside params": `{"defaults":{"A":"` + secret + `"},"params":[],"value":"` + secret + `"}`,
		"elements of no kind":  `{"params":["` + secret + `",[{"name":"A","value":"` + secret + `"}],4711474711]}`,
		"params that is none":  `{"params":{"A":"` + secret + `"}}`,
		"params twice":         `{"params":[{"name":"A","value":"` + secret + `"}],"params":[{"name":"A","value":"` + secret + `"}]}`,
		"white space":          "{ \"params\" : [ { \"name\" : \"A\" ,\n\t\"value\" : \"" + secret + "\" } ] }",
		"an escaped key":       `{"params":[{"name":"A","v\u0061lue":"` + secret + `"}]}`,
	}
	for what, list := range lists {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for _, encrypted := range []bool{false, true} {
				b := newConsoleBench(t)
				id := newAgeIdentity(t)
				suffix, recipients := "", []string(nil)
				if encrypted {
					suffix, recipients = ".age", []string{id.Recipient().String()}
					b.env["RESTORE_IDENTITY"] = id.String()
				}
				job := keptAsset{kind: asset.Jobs, name: "j", directory: "/", definition: `{"name":"j","nodes":[{"name":"n","type":"Shell","properties":[{"name":"x","value":"#{Env.get('A')}"}]}]}`}
				b.keep("2026-11-22", recipients, variables(list), job)
				env := variables("").key() + suffix
				secrets := []string{secret, "4711474711", base64.StdEncoding.EncodeToString([]byte(secret))}
				for _, target := range []string{assetPath("2026-11-22", env), assetPath("2026-11-22", env, "raw"), assetPath("2026-11-22", job.key()+suffix), "/backups/2026-11-22?q=*", "/backups/2026-11-22?q=hunter2",
					"/backups/2026-11-22/document", "/backups/2026-11-22/export", "/backups/2026-11-22/export?kinds=jobs&withDependencies=true", "/backups/2026-11-22/export?names=A", "/backups"} {
					a := b.ask("GET", target, "", nil)
					text := string(a.Body)
					for name, file := range unzipped(t, a) {
						text += name + string(file)
					}
					for _, s := range secrets {
						if strings.Contains(text, s) || strings.Contains(fmt.Sprint(a.Header), s) {
							t.Errorf("encrypted %v, %s: %d %s", encrypted, target, a.Status, text)
						}
					}
				}
				masked := decodeConsole[consoleAsset](t, b.ask("GET", assetPath("2026-11-22", env), "", nil).plain(), 200)
				if !masked.Masked {
					t.Error("the answer does not say that it is masked")
				}
				shown := b.ask("GET", assetPath("2026-11-22", env, "reveal"), "", nil)
				if got := decodeConsole[consoleAsset](t, shown.plain(), 200); got.Masked || !strings.Contains(string(got.Definition), "hunter2") || shown.Header["Cache-Control"] != "no-store" {
					t.Errorf("revealed: %s %v", got.Definition, shown.Header)
				}
				if raw := b.ask("GET", assetPath("2026-11-22", env, "raw", "reveal"), "", nil); raw.Status != 200 || raw.Header["Cache-Control"] != "no-store" || !encrypted && string(raw.Body) != list {
					t.Errorf("raw and revealed: %d %s %v", raw.Status, raw.Body, raw.Header)
				}
			}
		})
	}

	t.Run("names_and_types_stay", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.keep("2026-11-22", nil, variables(`{"params":[{"name":"A","type":"variable","value":"x","n":1.50}],"more":true}`))
		got := decodeConsole[consoleAsset](t, b.ask("GET", assetPath("2026-11-22", "1_env/env.json"), "", nil).plain(), 200)
		if want := `{"params":[{"name":"A","type":"variable","value":null,"n":null}],"more":null}`; string(got.Definition) != want {
			t.Errorf("%s, want %s", got.Definition, want)
		}
		e := decodeConsole[consoleError](t, b.ask("GET", assetPath("2026-11-22", "1_env/env.json", "raw"), "", nil).plain(), http.StatusBadRequest)
		if !strings.Contains(e.Error.Message, "reveal=true") {
			t.Errorf("%+v", e)
		}
	})
}
