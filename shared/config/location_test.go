package config_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
)

func TestLocation(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, bucket, prefix, root string }{
		{"obs://vault", "vault", "", ""},
		{"obs://vault/", "vault", "", ""},
		{"obs://vault/dataarts", "vault", "dataarts/", "dataarts/"},
		{"obs://vault/a/b/", "vault", "a/b/", "a/b/"},
		{"obs://vault/{workspace}", "vault", "ws1/", ""},
		{"obs://vault/a/{workspace}", "vault", "a/ws1/", "a/"},
		{"obs://vault/a/b-{workspace}-c/d", "vault", "a/b-ws1-c/d/", "a/"},
		{"obs://vault/a/{workspace}/b/{workspace}", "vault", "a/ws1/b/ws1/", "a/"},
		{"obs://my.vault.2/备份 1/x+y%20", "my.vault.2", "备份 1/x+y%20/", "备份 1/x+y%20/"},
	} {
		location, err := config.ParseLocation(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		bucket, prefix, err := location.For("ws1")
		if err != nil || bucket != test.bucket || prefix != test.prefix || location.Root() != test.root {
			t.Errorf("%s: bucket %q, prefix %q, root %q, error %v; want %q, %q, %q",
				test.text, bucket, prefix, location.Root(), err, test.bucket, test.prefix, test.root)
		}
		if want := strings.TrimSuffix(test.text, "/"); location.String() != want {
			t.Errorf("%s reads back as %q", test.text, location)
		}
	}
}

func TestParseLocation_Refuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "vault", "s3://vault", "OBS://vault", "obs://", "obs:///a", "obs://ab", "obs://Vault", "obs://va_ult", "obs://-vault", "obs://vault-",
		"obs://va..ult", "obs://" + strings.Repeat("a", 64), "obs://{workspace}/a", "obs://vault//", "obs://vault//a", "obs://vault/a//b",
		"obs://vault/..", "obs://vault/a/../b", "obs://vault/./a", "obs://vault/{Workspace}", "obs://vault/{date}", "obs://vault/{workspace",
		"obs://vault/a\nb", "obs://vault/a\xff",
	} {
		if location, err := config.ParseLocation(text); err == nil {
			t.Errorf("%q was taken as %+v", text, location)
		}
	}
}

func TestLocation_StaysBelowItsRoot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := "obs://vault/" + rapid.StringMatching(`[a-z./{}\n]{0,6}(\{workspace\})?[a-z./{}]{0,6}(/\{workspace\})?`).Draw(t, "folder")
		id := rapid.StringMatching(`[a-z./\n]{0,4}`).Draw(t, "workspace")
		location, err := config.ParseLocation(text)
		if err != nil {
			return
		}
		_, prefix, err := location.For(id)
		if err != nil {
			return
		}
		if !strings.HasPrefix(prefix, location.Root()) {
			t.Fatalf("%q with %q is %q, outside of %q", text, id, prefix, location.Root())
		}
		for segment := range strings.SplitSeq(strings.TrimSuffix(prefix, "/"), "/") {
			if segment == "." || segment == ".." || segment == "" && prefix != "" {
				t.Fatalf("%q with %q is %q", text, id, prefix)
			}
		}
		if got, ok := location.WorkspaceOf(prefix + "2026-11-22/manifest.json"); ok != location.PerWorkspace() || ok && got != id {
			t.Fatalf("%q with %q is %q, which is said to be of %q", text, id, prefix, got)
		}
	})
}

func TestLocation_RefusesAnIDThatIsNone(t *testing.T) {
	t.Parallel()
	location, err := config.ParseLocation("obs://vault/{workspace}")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", ".", "..", "a/b", "../other", "a b", "ä", strings.Repeat("a", 65)} {
		if _, prefix, err := location.For(id); err == nil {
			t.Errorf("%q gives %q", id, prefix)
		}
	}
}

func TestLocation_TellsOnlyAWorkspaceWhoseLocationAKeyCanBeIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ location, key, want string }{
		{"obs://vault/{workspace}", "w1/2026-11-22/", "w1"},
		{"obs://vault/a/pre-{workspace}-{workspace}/x", "a/pre-w1-w1/x/2026-11-22/", "w1"},
		{"obs://vault/a/pre-{workspace}-{workspace}/x", "a/pre-w1-w2/x/2026-11-22/", ""},
		{"obs://vault/a/pre-{workspace}", "a/w1/2026-11-22/", ""},
		{"obs://vault/a/{workspace}", "b/w1/2026-11-22/", ""},
		{"obs://vault/a/{workspace}", "a//2026-11-22/", ""},
		{"obs://vault/a/{workspace}", "a/w 1/2026-11-22/", ""},
		{"obs://vault/a", "a/2026-11-22/", ""},
	} {
		location, err := config.ParseLocation(c.location)
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := location.WorkspaceOf(c.key); id != c.want || ok != (c.want != "") {
			t.Errorf("%s %s: %q, want %q", c.location, c.key, id, c.want)
		}
	}
}

func TestKeep_ReadsBack(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"daily=30,weekly=8,monthly=12,yearly=3", "weekly=1", "daily=36525"} {
		keep, err := config.ParseKeep(text)
		if err != nil || keep.String() != text {
			t.Errorf("%s reads back as %q, error %v", text, keep, err)
		}
	}
	if none := (config.Keep{}); none.String() != "" {
		t.Errorf("no rules print as %q", none)
	}
}
