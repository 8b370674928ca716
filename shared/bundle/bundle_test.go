package bundle_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/bundle"
)

func job(name string) asset.Ref    { return asset.Ref{Kind: asset.Jobs, Name: name} }
func script(name string) asset.Ref { return asset.Ref{Kind: asset.Scripts, Name: name} }
func resource(directory, name string) asset.Ref {
	return asset.Ref{Kind: asset.Resources, Name: name, Directory: directory}
}

func needing(ref asset.Ref, needs ...asset.Ref) bundle.Asset {
	return bundle.Asset{Ref: ref, Needs: needs}
}

// sized answers definitions of so many bytes that do not compress.
func sized(size func(asset.Ref) int) func(context.Context, asset.Ref) ([]byte, error) {
	return func(_ context.Context, ref asset.Ref) ([]byte, error) {
		text := make([]byte, size(ref))
		random := rand.New(rand.NewPCG(1, uint64(len(ref.Name))))
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		return text, nil
	}
}

// named answers definitions that say whose they are.
func named(_ context.Context, ref asset.Ref) ([]byte, error) { return []byte(ref.String()), nil }

func pack(t testing.TB, assets []bundle.Asset, definition func(context.Context, asset.Ref) ([]byte, error), limit int) (zips []bundle.Zip, left []bundle.Left) {
	t.Helper()
	left, err := bundle.Pack(t.Context(), assets, definition, bundle.Options{Limit: limit}, func(z bundle.Zip) error {
		zips = append(zips, z)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return zips, left
}

// files unpacks a zip; it wants every path once.
func files(t testing.TB, data []byte) (paths []string, texts map[string]string) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	texts = map[string]string{}
	for _, file := range r.File {
		body, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body) // the checksum is verified
		if err != nil {
			t.Fatalf("%s: %v", file.Name, err)
		}
		if _, twice := texts[file.Name]; twice {
			t.Errorf("%s lies there twice", file.Name)
		}
		paths, texts[file.Name] = append(paths, file.Name), string(text)
	}
	return paths, texts
}

func TestPack_LaysFilesOutAsDataArtsExportsThem(t *testing.T) {
	t.Parallel()
	zips, left := pack(t, []bundle.Asset{
		needing(job("b"), job("a"), script("shared"), script("own")), needing(job("a"), script("shared"), script("elsewhere"), resource("/lib", "udf")),
		needing(script("own")), needing(script("shared")), needing(script("unused")), needing(resource("/lib", "udf")), needing(resource("/", "udf")),
	}, named, 0)
	if len(zips) != 1 || len(left) != 0 {
		t.Fatalf("%d zips, %v left", len(zips), left)
	}
	paths, texts := files(t, zips[0].Data)
	want := []string{"resources/udf.resource", "resources/%/udf.resource", "scripts/unused.script", "jobs/a/shared.script", "jobs/a/a.job", "jobs/b/own.script", "jobs/b/b.job"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if texts["jobs/b/b.job"] != `job "b"` || texts["resources/udf.resource"] != `resource "/lib/udf"` {
		t.Errorf("%q", texts)
	}
	if diff := cmp.Diff([]string{"a", "b"}, zips[0].Names(asset.Jobs)); diff != "" {
		t.Error(diff)
	}
}

func TestPack_GivesEveryNameAPathOfItsOwn(t *testing.T) {
	t.Parallel()
	names := []string{"a b", "a%20b", " a", "a ", ".", "..", "...", "a.", ".a", "日报", "a/b", "a\\b", "a%2Fb", "a:b", "a\tb", "A", "a", "x.job", "x.script", "a\xffb", "%", "a?b*"}
	var assets []bundle.Asset
	for _, name := range names {
		assets = append(assets, needing(job(name)), needing(script(name)), needing(resource("/", name)), needing(resource("/"+name, "same")))
	}
	zips, left := pack(t, assets, named, 0)
	paths, _ := files(t, zips[0].Data)
	if len(zips) != 1 || len(left) != 0 || len(paths) != len(assets) {
		t.Fatalf("%d zips with %d files for %d assets", len(zips), len(paths), len(assets))
	}
	for _, path := range paths {
		for segment := range strings.SplitSeq(path, "/") {
			if segment == "" || segment == "." || segment == ".." || strings.ContainsAny(segment, "\\:*?\t") {
				t.Errorf("%q is no safe path", path)
			}
		}
	}
	if !slices.Contains(paths, "jobs/日报/日报.job") || !slices.Contains(paths, "jobs/a b/a b.job") {
		t.Errorf("legal names are spelled otherwise: %q", paths)
	}
}

func TestPack_GivesEqualBytesForEqualInput(t *testing.T) {
	t.Parallel()
	assets := []bundle.Asset{needing(job("b"), script("s")), needing(job("a"), job("b")), needing(script("s")), needing(script("t"))}
	one, _ := pack(t, assets, named, 300)
	two, _ := pack(t, assets, named, 300)
	if diff := cmp.Diff(one, two); diff != "" || len(one) < 2 {
		t.Errorf("%d zips: %s", len(one), diff)
	}
}

func TestPack_KeepsToANumberOfAssets(t *testing.T) {
	t.Parallel()
	var assets []bundle.Asset
	for n := range 10 {
		assets = append(assets, needing(job(fmt.Sprintf("j%d", n))))
	}
	assets = append(assets, needing(job("ring_1"), job("ring_2")), needing(job("ring_2"), job("ring_3")), needing(job("ring_3"), job("ring_4")), needing(job("ring_4"), job("ring_1")))
	var sizes []int
	if _, err := bundle.Pack(t.Context(), assets, named, bundle.Options{Assets: 3}, func(z bundle.Zip) error {
		sizes = append(sizes, len(z.Assets))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{3, 3, 3, 1, 4}, sizes); diff != "" { // the cycle stays together
		t.Error(diff)
	}
}

func TestPack_NamesWhatFitsNowhere(t *testing.T) {
	t.Parallel()
	size := func(ref asset.Ref) int {
		switch ref.Name {
		case "huge":
			return 2000
		case "ring_1", "ring_2":
			return 600
		}
		return 10
	}
	_, left := pack(t, []bundle.Asset{needing(job("huge")), needing(job("after"), job("huge")), needing(script("huge")), needing(job("ring_1"), job("ring_2")),
		needing(job("ring_2"), job("ring_1"), script("beside")), needing(script("beside"))}, sized(size), 1000)
	var got []string
	for _, l := range left {
		if !errors.Is(l.Err, bundle.ErrTooLarge) {
			t.Errorf("%s: %v", l.Ref, l.Err)
		}
		got = append(got, l.Ref.String())
	}
	if diff := cmp.Diff([]string{`job "huge"`, `script "huge"`, `job "ring_1"`, `job "ring_2"`}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPack_LeavesOutWhatTheDefinitionFunctionDoesNotWant(t *testing.T) {
	t.Parallel()
	zips, left := pack(t, []bundle.Asset{needing(job("a"), script("s")), needing(script("s")), needing(job("b"))}, func(ctx context.Context, ref asset.Ref) ([]byte, error) {
		if ref.Name == "a" {
			return nil, fmt.Errorf("not this one: %w", bundle.ErrLeaveOut)
		}
		return named(ctx, ref)
	}, 0)
	if len(left) != 1 || left[0].Ref != job("a") || !errors.Is(left[0].Err, bundle.ErrLeaveOut) || len(zips) != 1 || len(zips[0].Assets) != 2 {
		t.Errorf("%v left, %v", left, zips)
	}
}

func TestPack_EndsWithTheErrorsOfItsCaller(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	assets := []bundle.Asset{needing(job("a"))}
	if _, err := bundle.Pack(t.Context(), assets, func(context.Context, asset.Ref) ([]byte, error) { return nil, broken }, bundle.Options{},
		func(bundle.Zip) error { t.Error("emitted"); return nil }); !errors.Is(err, broken) {
		t.Errorf("definition: %v", err)
	}
	if _, err := bundle.Pack(t.Context(), assets, named, bundle.Options{}, func(bundle.Zip) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("emit: %v", err)
	}
}

// Whatever depends on whatever, and however large it is: what is in the zips and what is left is what there was, each once; within the limit; and
// everything that an asset needs is in its own zip or in an earlier one, unless it is left out.
func TestPack_WorksInTheOrderOfTheZips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		const limit = 3000
		jobs, scripts := rapid.IntRange(0, 12).Draw(rt, "jobs"), rapid.IntRange(0, 8).Draw(rt, "scripts")
		sizes := map[asset.Ref]int{}
		var assets []bundle.Asset
		for n := range jobs {
			ref := job(fmt.Sprintf("j%d", n))
			one := needing(ref, resource("/", "r"))
			sizes[ref] = rapid.IntRange(0, 1500).Draw(rt, "size")
			for _, d := range rapid.SliceOfN(rapid.IntRange(0, 14), 0, 3).Draw(rt, "depends") {
				one.Needs = append(one.Needs, job(fmt.Sprintf("j%d", d)))
			}
			for _, d := range rapid.SliceOfN(rapid.IntRange(0, 8), 0, 3).Draw(rt, "uses") {
				one.Needs = append(one.Needs, script(fmt.Sprintf("s%d", d)))
			}
			assets = append(assets, one)
		}
		for n := range scripts {
			ref := script(fmt.Sprintf("s%d", n))
			sizes[ref] = rapid.IntRange(0, 3200).Draw(rt, "size")
			assets = append(assets, needing(ref))
		}
		assets = append(assets, needing(resource("/", "r")))
		zips, left := pack(t, assets, sized(func(ref asset.Ref) int { return sizes[ref] }), limit)
		at := map[asset.Ref]int{}
		for n, z := range zips {
			unpacked := 0
			_, texts := files(t, z.Data)
			for _, text := range texts {
				unpacked += len(text)
			}
			if len(z.Data) > limit || unpacked > limit || z.Number != n+1 || len(texts) != len(z.Assets) {
				rt.Fatalf("zip %d of number %d: %d bytes, %d unpacked, %d files of %d assets", n, z.Number, len(z.Data), unpacked, len(texts), len(z.Assets))
			}
			for _, ref := range z.Assets {
				if at[ref] != 0 {
					rt.Fatalf("%s is packed twice", ref)
				}
				at[ref] = z.Number
			}
		}
		for _, l := range left {
			if at[l.Ref] != 0 {
				rt.Fatalf("%s is packed and left", l.Ref)
			}
			at[l.Ref] = -1
		}
		for _, a := range assets {
			if at[a.Ref] == 0 {
				rt.Fatalf("%s is lost", a.Ref)
			}
			for _, need := range a.Needs {
				if at[a.Ref] > 0 && at[need] > at[a.Ref] {
					rt.Fatalf("%s is in zip %d and needs %s of zip %d", a.Ref, at[a.Ref], need, at[need])
				}
			}
		}
	})
}
