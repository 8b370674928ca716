package handler_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// unzipped is what is in the zip of an answer, by path; nothing where the answer is none.
func unzipped(t *testing.T, a wholeAnswer) map[string][]byte {
	t.Helper()
	if a.Header["Content-Type"] != "application/zip" {
		return nil
	}
	r, err := zip.NewReader(bytes.NewReader(a.Body), int64(len(a.Body)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range r.File {
		body, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := files[f.Name]; twice {
			t.Errorf("%s is there twice", f.Name)
		}
		files[f.Name] = data
	}
	return files
}

type consoleSelection struct {
	Backup struct {
		Path, BackupDate, Status, ManifestSHA256 string
		Encrypted                                bool
	}
	Assets []struct {
		Kind, Name, Directory, Path, SHA256 string
		Size                                int64
		Files                               []struct{ Location, Path, SHA256 string }
	}
	NotIncluded []struct{ Kind, Name, Location, Reason string }
}

// export asks for a zip, and holds selection.json against what is in it.
func (b *consoleBench) export(query string) (map[string][]byte, consoleSelection) {
	b.t.Helper()
	a := b.ask("GET", "/backups/2026-11-22/export?"+query, "", nil)
	if a.Status != 200 || a.Header["Content-Type"] != "application/zip" || a.Header["X-Content-Type-Options"] != "nosniff" ||
		!strings.HasPrefix(a.Header["Content-Disposition"], `attachment; filename="ws1-2026-11-22.zip"`) {
		b.t.Fatalf("%s: %d %v %.500s", query, a.Status, a.Header, a.Body)
	}
	files := unzipped(b.t, a)
	var s consoleSelection
	if err := json.Unmarshal(files["2026-11-22/selection.json"], &s); err != nil {
		b.t.Fatal(err)
	}
	named := []string{"2026-11-22/selection.json"}
	for _, asset := range s.Assets {
		named = append(named, asset.Path)
		if vault.Hash(files[asset.Path]) != asset.SHA256 || int64(len(files[asset.Path])) != asset.Size {
			b.t.Errorf("%s is not what selection.json says", asset.Path)
		}
		for _, f := range asset.Files {
			named = append(named, f.Path)
			if vault.Hash(files[f.Path]) != f.SHA256 {
				b.t.Errorf("%s is not what selection.json says", f.Path)
			}
		}
	}
	slices.Sort(named)
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, named) {
		b.t.Errorf("the zip has %q, selection.json names %q", got, named)
	}
	return files, s
}

// selectionOf is selection.json of everything in a backup.
func (b *consoleBench) selectionOf(name string) any {
	b.t.Helper()
	var v any
	if err := json.Unmarshal(unzipped(b.t, b.ask("GET", "/backups/"+name+"/export", "", nil))[name+"/selection.json"], &v); err != nil {
		b.t.Fatal(err)
	}
	return v
}

func TestConsole_Export(t *testing.T) {
	t.Parallel()

	t.Run("has_the_selected_assets_as_they_are_stored", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.put("jars/udf.jar", "the jar")
		job := hiveJob("j", "n", "hive")
		job.definition = strings.Replace(job.definition, `"nodes":[{`, `"nodes":[{"x":"#{Env.get(\"HOST\")}","y":1.0,`, 1)
		jar := keptAsset{kind: asset.Resources, name: "udf", directory: "/jars", definition: `{"name":"udf"}`, files: []string{"obs://backups/jars/udf.jar", "hdfs:///x.jar"}}
		env := variables(`{"params":[{"name":"HOST","value":"h"},{"name":"PORT","value":"p"}]}`)
		b.keep("2026-11-22", nil, env, jar, script("load", "HiveSQL", "x"), script("other", "HiveSQL", "y"), job, hiveJob("a,b", "n", "hive"))
		const jarPath = "2_resources/jars/udf.files/backups/jars/udf.jar"
		for query, want := range map[string][]string{
			"":                                {jarPath, jar.key(), "3_scripts/load.script", "3_scripts/other.script", "4_jobs/a%2Cb.job", "4_jobs/j.job"},
			"kinds=jobs":                      {"4_jobs/a%2Cb.job", "4_jobs/j.job"},
			"kinds=jobs,scripts&names=j,load": {"3_scripts/load.script", "4_jobs/j.job"},
			"names=l*":                        {"3_scripts/load.script"},
			`names=a\,b`:                      {"4_jobs/a%2Cb.job"},
			"names=j&names=other":             {"3_scripts/other.script", "4_jobs/j.job"},
			"directories=/jars":               {jarPath, jar.key()},
			"names=j&withDependencies=true":   {"3_scripts/load.script", "4_jobs/j.job"},
			"kinds=env":                       {"1_env/env.json"},
			"kinds=env&names=PORT":            {"1_env/env.json"},
			"kinds=env,jobs&names=j&withDependencies=true": {"1_env/env.json", "3_scripts/load.script", "4_jobs/j.job"},
		} {
			values, err := url.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}
			files, s := b.export(values.Encode())
			var got []string
			for name, data := range files {
				if key := strings.TrimPrefix(name, "2026-11-22/"); key != "selection.json" {
					got = append(got, key)
					if string(data) != b.stored(key) {
						t.Errorf("%s: %s is not as it is stored", query, key)
					}
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
			if s.Backup.Path != "obs://backups/factory/2026-11-22/" || s.Backup.ManifestSHA256 != vault.Hash([]byte(b.stored("manifest.json"))) {
				t.Errorf("%+v", s.Backup)
			}
			left := fmt.Sprintf("%+v", s.NotIncluded)
			if needs := query == "names=j&withDependencies=true"; needs != strings.Contains(left, "{Kind:env Name:HOST") || strings.Contains(left, "PORT") {
				t.Errorf("%s: not included %s", query, left)
			}
			if has := slices.Contains(want, jarPath); has != strings.Contains(left, "hdfs:///x.jar Reason:the backup has no copy: not on OBS") {
				t.Errorf("%s: not included %s", query, left)
			}
		}
	})

	t.Run("refuses_a_selection_of_nothing_or_that_is_none", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.keep("2026-11-22", nil, variables(`{"params":[{"name":"A","value":"v"}]}`), script("s", "Shell", ""))
		for query, want := range map[string][]string{
			"names=nothing":                    {"nothing in obs://backups/factory/2026-11-22/ fits the selection"},
			"kinds=env&names=B":                {"nothing in"},
			"kinds=env&directories=/":          {"nothing in"},
			"names=A":                          {"nothing in"},
			"names=%5B&kinds=tables":           {`names[0]: "["`, `kind "tables"`},
			"directories=ods&names=":           {"directories[0]", "names: "},
			"withDependencies=yes&kinds=jobs,": {`withDependencies: "yes"`},
		} {
			e := decodeConsole[consoleError](t, b.ask("GET", "/backups/2026-11-22/export?"+query, "", nil).plain(), 400)
			for _, part := range want {
				if e.Error.Code != "invalid" || !strings.Contains(e.Error.Message, part) {
					t.Errorf("%s: %+v, want %s", query, e, part)
				}
			}
		}
	})

	t.Run("is_the_same_bytes_every_time", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		var all []keptAsset
		for i := range 50 {
			all = append(all, script(fmt.Sprint("s", i), "Shell", fmt.Sprint(i)))
		}
		b.keep("2026-11-22", nil, all...)
		first, second := b.ask("GET", "/backups/2026-11-22/export", "", nil), b.ask("GET", "/backups/2026-11-22/export", "", nil)
		if !bytes.Equal(first.Body, second.Body) || len(first.Body) == 0 {
			t.Errorf("%d and %d bytes", len(first.Body), len(second.Body))
		}
	})

	t.Run("leads_out_of_no_folder_whatever_the_names", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		var all []keptAsset
		for _, name := range hostileNames() {
			all = append(all, script(name, "Shell", "x"), keptAsset{kind: asset.Resources, name: name, directory: "/../" + name + "/..", definition: `{}`})
		}
		b.keep("2026-11-22", nil, all...)
		files, s := b.export("")
		if len(files) != 2*len(hostileNames())+1 {
			t.Errorf("%d files", len(files))
		}
		for name := range files {
			if !strings.HasPrefix(name, "2026-11-22/") || path.Clean(name) != name || strings.ContainsAny(name, "\\:*?\"<>|\r\n\x00") {
				t.Errorf("%q", name)
			}
		}
		for _, a := range s.Assets {
			if !slices.Contains(hostileNames(), a.Name) {
				t.Errorf("%q is the name of none", a.Name)
			}
		}
	})

	t.Run("refuses_a_manifest_whose_keys_would_lead_out", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		m := b.keep("2026-11-22", nil, script("s", "Shell", "x"))
		b.put("factory/evil.script", b.stored(m.Assets[0].Key))
		m.Assets[0].Key = "../evil.script"
		b.putManifest("2026-11-22", m)
		for _, target := range []string{"/backups/2026-11-22/export", assetPath("2026-11-22", "../evil.script")} {
			if a := b.ask("GET", target, "", nil); a.Status != 409 {
				t.Errorf("%s: %d %s", target, a.Status, a.Body)
			}
		}
	})

	t.Run("leaves_out_files_that_do_not_fit_and_names_them", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		big, small := noise(5<<19), noise(2<<20)
		b.put("jars/a_huge.jar", string(noise(4<<20)))
		b.put("jars/b_big.jar", string(big))
		b.put("jars/c_small.jar", string(small))
		b.put("jars/d_tiny.jar", "tiny")
		jar := keptAsset{kind: asset.Resources, name: "jars", directory: "/", definition: `{}`}
		for _, name := range []string{"a_huge", "b_big", "c_small", "d_tiny"} {
			jar.files = append(jar.files, "obs://backups/jars/"+name+".jar")
		}
		b.keep("2026-11-22", nil, jar)
		files, s := b.export("")
		if len(s.NotIncluded) != 2 || len(s.Assets[0].Files) != 2 || len(files) != 4 {
			t.Fatalf("%+v", s)
		}
		for i, name := range []string{"a_huge", "c_small"} {
			if n := s.NotIncluded[i]; !strings.Contains(n.Location, name) || !strings.Contains(n.Reason, "obs://backups/factory/2026-11-22/2_resources/jars.files/backups/jars/"+name+".jar") {
				t.Errorf("%+v", n)
			}
		}
	})

	t.Run("that_is_too_large_says_what_else_there_is", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		var all []keptAsset
		for i := range 3 {
			all = append(all, keptAsset{kind: asset.Scripts, name: fmt.Sprint("s", i), directory: "/", definition: string(noise(3 << 19))})
		}
		b.keep("2026-11-22", []string{newAgeIdentity(t).Recipient().String()}, all...) // so that no zip makes it smaller
		e := decodeConsole[consoleError](t, b.ask("GET", "/backups/2026-11-22/export", "", nil).plain(), 413)
		for _, want := range []string{"3 assets with 47", "obs://backups/factory/2026-11-22/", `"export": true`, "POST /restores"} {
			if e.Error.Code != "too_large" || !strings.Contains(e.Error.Message, want) {
				t.Errorf("no %s: %+v", want, e)
			}
		}
		if files, _ := b.export("names=s1"); len(files) != 2 {
			t.Errorf("%d files", len(files))
		}
		// What is far too large is not even read.
		m := b.keep("2026-11-23", nil, script("s", "Shell", "x"))
		m.Assets[0].Size = 100 << 20
		b.putManifest("2026-11-23", m)
		before := b.objects.Calls("GetObject")
		e = decodeConsole[consoleError](t, b.ask("GET", "/backups/2026-11-23/export", "", nil).plain(), 413)
		if reads := b.objects.Calls("GetObject") - before; reads != 2 || !strings.Contains(e.Error.Message, "104857600 bytes") {
			t.Errorf("%d objects were read: %+v", reads, e)
		}
	})

	t.Run("of_an_encrypted_backup_stays_encrypted", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.put("jars/udf.jar", "TOPSECRET")
		b.keep("2026-11-22", []string{newAgeIdentity(t).Recipient().String()}, variables(`{"params":[{"name":"A","value":"TOPSECRET"}]}`), script("s", "Shell", "TOPSECRET"),
			keptAsset{kind: asset.Resources, name: "udf", directory: "/", definition: `{}`, files: []string{"obs://backups/jars/udf.jar"}})
		files, s := b.export("kinds=env,scripts,resources")
		if len(files) != 5 || !s.Backup.Encrypted {
			t.Errorf("%d files, %+v", len(files), s)
		}
		for name, data := range files {
			if !strings.HasSuffix(name, ".age") && path.Base(name) != "selection.json" || bytes.Contains(data, []byte("TOPSECRET")) {
				t.Errorf("%s: %s", name, data)
			}
		}
	})
}

// noise is bytes that no zip makes smaller.
func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(n)})
	data := make([]byte, n)
	_, _ = r.Read(data)
	return data
}
