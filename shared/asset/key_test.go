package asset_test

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
)

func TestKey_IsTheOneOfTheLayout(t *testing.T) {
	t.Parallel()
	for want, ref := range map[string]asset.Ref{
		"1_env/env.json":                          {Kind: asset.Env, Name: asset.EnvName},
		"2_resources/udf.resource":                {Kind: asset.Resources, Name: "udf", Directory: "/"},
		"2_resources/jars/v1.2/udf.resource":      {Kind: asset.Resources, Name: "udf", Directory: "/jars/v1.2/"},
		"3_scripts/dwd_orders.script":             {Kind: asset.Scripts, Name: "dwd_orders", Directory: "/dwd"},
		"4_jobs/订单_日报.job":                        {Kind: asset.Jobs, Name: "订单_日报"},
		"4_jobs/a%20b%2Bc%25d%281%29.job":         {Kind: asset.Jobs, Name: "a b+c%d(1)"},
		"4_jobs/%2E%2E.job":                       {Kind: asset.Jobs, Name: ".."},
		"2_resources/%2F/a/y.resource":            {Kind: asset.Resources, Name: "y", Directory: "//a"},
		"2_resources/x%2Efiles/y.resource":        {Kind: asset.Resources, Name: "y", Directory: "/x.files"},
		"2_resources/x%2Eresource/y%2Fz.resource": {Kind: asset.Resources, Name: "y/z", Directory: "/x.resource"},
	} {
		if got := ref.Key(); got != want {
			t.Errorf("%v: %s, want %s", ref, got, want)
		}
	}
}

func TestKey_OfTheLongestNamesFitsIntoAnObjectKey(t *testing.T) {
	t.Parallel()
	for _, char := range []string{"a", "单", "𠀀"} {
		key := "a-folder/0dd3000000000000000000000000aaaa/2026-11-22T000000/" + asset.Ref{Kind: asset.Jobs, Name: strings.Repeat(char, 128)}.Key()
		if len(key) > 1000 {
			t.Errorf("128 times %s: a key of %d bytes", char, len(key))
		}
	}
}

func TestEscape_GivesEveryNameAnotherKeyAndTheNameBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		ea, eb := asset.Escape(a), asset.Escape(b)
		if (a == b) != (ea == eb) {
			t.Fatalf("%q and %q become %q and %q", a, b, ea, eb)
		}
		if strings.ContainsAny(ea, "/\\ ?#\"<>|*:\n") || ea == "." || ea == ".." {
			t.Fatalf("%q becomes %q", a, ea)
		}
		if back, err := url.PathUnescape(ea); err != nil || back != a {
			t.Fatalf("%q becomes %q and back %q: %v", a, ea, back, err)
		}
	})
}

func TestFileKey_LiesBesideTheDefinition(t *testing.T) {
	t.Parallel()
	ref := asset.Ref{Kind: asset.Resources, Name: "udf", Directory: "/jars"}
	if key, ok := ref.FileKey("obs://bucket/lib/a b//x.jar"); !ok || key != "2_resources/jars/udf.files/bucket/lib/a%20b/%2F/x.jar" {
		t.Errorf("%s %v", key, ok)
	}
	for _, elsewhere := range []string{"hdfs://ns/lib/x.jar", "obs://bucket", "", "dli://x"} {
		if key, ok := ref.FileKey(elsewhere); ok {
			t.Errorf("%q has key %s", elsewhere, key)
		}
	}
}
