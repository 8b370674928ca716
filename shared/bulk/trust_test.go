package bulk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/bulk"
)

func scriptRef(name string) asset.Ref { return asset.Ref{Kind: asset.Scripts, Name: name} }
func jobRef(name string) asset.Ref    { return asset.Ref{Kind: asset.Jobs, Name: name} }

func text(format string, args ...any) []byte { return fmt.Appendf(nil, format, args...) }

// names are those of the assets that are to be checked now.
func names(t *bulk.Trust[string]) []string {
	var all []string
	for _, s := range t.Take() {
		all = append(all, s.Of)
	}
	slices.Sort(all)
	return all
}

func TestTrust_SamplesAllOfASmallNumber(t *testing.T) {
	t.Parallel()
	trust := bulk.NewTrust[string]("seed", bulk.ByText)
	for i := range bulk.AllOf {
		name := fmt.Sprint(i)
		trust.Offer(name, scriptRef(name), text(`{"name":%q,"type":"Shell","content":"x"}`, name))
	}
	if got := names(trust); len(got) != bulk.AllOf {
		t.Errorf("%d samples", len(got))
	}
	if got := names(trust); len(got) > 0 {
		t.Errorf("they are asked for again: %q", got)
	}
}

func TestTrust_SamplesTheFirstOfEachFeatureTheLargestAndSomeByChance(t *testing.T) {
	t.Parallel()
	trust := bulk.NewTrust[string]("seed", bulk.ByText)
	const many = 2000
	for i := range many {
		name, extra := fmt.Sprintf("s%04d", i), ""
		kind, content := "Shell", "x"
		switch i {
		case 700:
			kind = "HiveSQL"
		case 800:
			extra = `,"description":"d"`
		case 900:
			content = strings.Repeat("long", 1000)
		case 1000:
			content = ""
		}
		trust.Offer(name, scriptRef(name), text(`{"name":%q,"type":%q,"content":%q%s}`, name, kind, content, extra))
	}
	got := names(trust)
	for _, want := range []string{"s0000", "s0700", "s0800", "s0900", "s1000"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not among %q", want, got)
		}
	}
	if len(got) < 20 || len(got) > 45 {
		t.Errorf("%d of %d are checked", len(got), many)
	}
}

func TestTrust_PicksTheSameByChanceUnderTheSameSeedWhateverTheOrder(t *testing.T) {
	t.Parallel()
	pick := func(seed string, order []int) []string {
		trust := bulk.NewTrust[string](seed, bulk.ByText)
		trust.Offer("first", scriptRef("first"), text(`{"name":"first","type":"Shell","content":"xxxxxxxxxx"}`)) // takes the features and is the largest
		for _, i := range order {
			name := fmt.Sprintf("s%04d", i)
			trust.Offer(name, scriptRef(name), text(`{"name":%q,"type":"Shell","content":"x"}`, name))
		}
		return names(trust)
	}
	up := make([]int, 500)
	for i := range up {
		up[i] = i
	}
	down := slices.Clone(up)
	slices.Reverse(down)
	one := pick("a", up)
	if other := pick("a", down); !slices.Equal(one, other) {
		t.Errorf("%q and %q", one, other)
	}
	if other := pick("b", up); slices.Equal(one, other) {
		t.Error("another seed picks the same")
	}
}

func TestTrust_DoubtsTheClassOfWhatDiffers(t *testing.T) {
	t.Parallel()
	shell := []byte(`{"name":"n","type":"Shell","pollingInterval":5}`)
	for name, c := range map[string]struct {
		ref              asset.Ref
		bulk, own        string
		doubted, trusted []string
	}{
		"a field of a job": {jobRef("j"), `{"name":"j","nodes":[` + string(shell) + `]}`, `{"name":"j","logPath":"obs://l/","nodes":[` + string(shell) + `]}`,
			[]string{"jobs"}, nil},
		"a field of a node": {jobRef("j"), `{"name":"j","nodes":[{"name":"n","type":"Shell"}]}`, `{"name":"j","nodes":[` + string(shell) + `]}`,
			[]string{"jobs/Shell"}, []string{"jobs", "jobs/Dummy"}},
		"all nodes": {jobRef("j"), `{"name":"j","nodes":[]}`, `{"name":"j","nodes":[` + string(shell) + `]}`,
			[]string{"jobs/"}, []string{"jobs", "jobs/Shell"}},
		"a field of a script": {scriptRef("s"), `{"name":"s","type":"Shell","content":"x"}`, `{"name":"s","type":"Shell","content":"x","connectionName":"c"}`,
			[]string{"scripts/Shell"}, []string{"scripts", "scripts/HiveSQL"}},
		"a script's text": {scriptRef("s"), `{"name":"s","type":"Shell","content":"x"}`, `{"name":"s","type":"Shell","content":"xy"}`,
			[]string{"scripts"}, nil},
		"what only the row has": {scriptRef("s"), `{"name":"s","type":"Shell","content":"x","connection_name":"c"}`, `{"name":"s","type":"Shell","content":"x"}`,
			[]string{"scripts/Shell"}, []string{"scripts"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trust := bulk.NewTrust[string]("seed", bulk.ByText)
			trust.Offer("x", c.ref, []byte(c.bulk))
			samples := trust.Take()
			differences := trust.Hold(samples[0], []byte(c.own))
			if len(differences) == 0 {
				t.Fatal("no difference")
			}
			for _, d := range differences {
				if !trust.Doubt(d.Class, d.Field) {
					t.Errorf("%s was doubted before", d.Class)
				}
			}
			for _, class := range c.doubted {
				if trust.Believes([]string{class}) {
					t.Errorf("%s is believed", class)
				}
			}
			for _, class := range c.trusted {
				if !trust.Believes([]string{class}) {
					t.Errorf("%s is doubted", class)
				}
			}
		})
	}
}

func TestTrust_BelievesAnExportThatSaysMoreThanTheOwnCall(t *testing.T) {
	t.Parallel()
	trust := bulk.NewTrust[string]("seed", bulk.ByText)
	trust.Offer("j", jobRef("j"), []byte(`{"name":"j","nodes":[{"name":"n","type":"Shell"}],"schedule":{"type":"CRON"}}`))
	if d := trust.Hold(trust.Take()[0], []byte(`{"name":"j","nodes":[{"name":"n","type":"Shell"}],"id":7}`)); len(d) > 0 {
		t.Errorf("%v", d)
	}
}

func TestTrust_ByMeaningTakesADefaultForAsGoodAsNothing(t *testing.T) {
	t.Parallel()
	const exported, own = `{"name":"j","nodes":[{"name":"n","type":"Shell"}]}`, `{"name":"j","nodes":[{"name":"n","type":"Shell","pollingInterval":10}]}`
	for _, c := range []struct {
		compare bulk.Comparison
		differs bool
	}{{bulk.ByText, true}, {bulk.ByMeaning, false}} {
		trust := bulk.NewTrust[string]("seed", c.compare)
		trust.Offer("j", jobRef("j"), []byte(exported))
		if d := trust.Hold(trust.Take()[0], []byte(own)); (len(d) > 0) != c.differs {
			t.Errorf("%v, want a difference: %t", d, c.differs)
		}
	}
}

func TestTrust_DoubtsClassesOfWhichNoSampleCouldBeChecked(t *testing.T) {
	t.Parallel()
	trust := bulk.NewTrust[string]("seed", bulk.ByText)
	shell, hive := []byte(`{"name":"a","type":"Shell","content":"x"}`), []byte(`{"name":"b","type":"HiveSQL","content":"x"}`)
	trust.Offer("a", scriptRef("a"), shell)
	trust.Offer("b", scriptRef("b"), hive)
	samples := trust.Take()
	for _, s := range samples {
		if s.Of == "a" {
			trust.Hold(s, shell)
		}
	}
	if !trust.DoubtUnproved(samples) {
		t.Error("nothing is doubted")
	}
	if !trust.Believes(bulk.Classes(asset.Scripts, shell)) || trust.Believes(bulk.Classes(asset.Scripts, hive)) {
		t.Error("want scripts of type Shell believed, and of type HiveSQL not")
	}
}

// TestTrust_FindsALieAboutAClass lets bulk answers leave a field out of all assets of one type, among many others.
func TestTrust_FindsALieAboutAClass(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kinds := []string{"Shell", "HiveSQL", "PYTHON", "FlinkSQL"}
		liar := rapid.SampledFrom(kinds).Draw(t, "type")
		trust := bulk.NewTrust[int](rapid.String().Draw(t, "seed"), bulk.ByText)
		own := map[int][]byte{}
		lies := 0
		for i, kind := range rapid.SliceOfN(rapid.SampledFrom(kinds), 1, 300).Draw(t, "scripts") {
			name := fmt.Sprint(i)
			own[i] = text(`{"name":%q,"type":%q,"content":"x","database":"d"}`, name, kind)
			row := own[i]
			if kind == liar {
				row = text(`{"name":%q,"type":%q,"content":"x"}`, name, kind)
				lies++
			}
			trust.Offer(i, scriptRef(name), row)
		}
		for _, s := range trust.Take() {
			for _, d := range trust.Hold(s, own[s.Of]) {
				trust.Doubt(d.Class, d.Field)
			}
		}
		if believed := trust.Believes([]string{"scripts/" + liar}); believed != (lies == 0) {
			t.Fatalf("%d lies, believed: %t", lies, believed)
		}
		for _, kind := range kinds {
			if kind != liar && !trust.Believes([]string{"scripts/" + kind}) {
				t.Fatalf("%s is doubted", kind)
			}
		}
	})
}
