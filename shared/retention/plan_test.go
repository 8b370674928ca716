package retention_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/shared/retention"
)

func names(verdicts []retention.Verdict) []string {
	list := make([]string, 0, len(verdicts))
	for _, v := range verdicts {
		list = append(list, v.Name)
	}
	return list
}

// holds checks a decision against the oracle and against what must never happen.
func holds(t interface{ Fatalf(string, ...any) }, keep retention.Keep, all []retention.Candidate) retention.Decision {
	d := retention.Plan(keep, all)
	var stay, gone []string
	newest := retention.Candidate{}
	for _, f := range all {
		if f.Complete && (newest.Name == "" || isNewer(f, newest)) {
			newest = f
		}
		if oracleStays(f, all, keep) {
			stay = append(stay, f.Name)
		} else {
			gone = append(gone, f.Name)
		}
		if !f.Complete && !f.Unfinished && slices.Contains(names(d.Go), f.Name) {
			t.Fatalf("%s is nothing that may be touched, and goes", f.Name)
		}
	}
	slices.Sort(stay)
	slices.Sort(gone)
	gotStay, gotGone := slices.Sorted(slices.Values(names(d.Stay))), slices.Sorted(slices.Values(names(d.Go)))
	if !slices.Equal(stay, gotStay) || !slices.Equal(gone, gotGone) {
		t.Fatalf("%s of %+v:\nstays %q, want %q\ngoes %q, want %q", keep, all, gotStay, stay, gotGone, gone)
	}
	if newest.Name != "" && !slices.Contains(gotStay, newest.Name) {
		t.Fatalf("the newest complete backup %s goes", newest.Name)
	}
	for _, v := range slices.Concat(d.Stay, d.Go) {
		if v.Reason == "" {
			t.Fatalf("%s has no reason", v.Name)
		}
	}
	return d
}

func TestPlan_EqualsTheOracleOverAnySetOfFolders(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		few := func(label string) int { return rapid.SampledFrom([]int{0, 0, 1, 2, 3, 7, 30}).Draw(t, label) }
		keep := retention.Keep{Daily: few("daily"), Weekly: few("weekly"), Monthly: few("monthly"), Yearly: few("yearly")}
		// Around the turn of years, where the ISO week is that of another year, and around leap days.
		first := rapid.SampledFrom([]time.Time{time.Date(2020, 12, 20, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 25, 0, 0, 0, 0, time.UTC),
			time.Date(2024, 2, 20, 0, 0, 0, 0, time.UTC), time.Date(2015, 12, 1, 0, 0, 0, 0, time.UTC)}).Draw(t, "first")
		span := rapid.SampledFrom([]int{5, 60, 1500}).Draw(t, "span")
		seen := map[string]bool{}
		var all []retention.Candidate
		for range rapid.IntRange(0, 40).Draw(t, "folders") {
			day := first.AddDate(0, 0, rapid.IntRange(0, span).Draw(t, "day"))
			f := nightly(day)
			if rapid.Bool().Draw(t, "by hand") {
				f = byHand(day.Add(time.Duration(rapid.IntRange(0, 86399).Draw(t, "second")) * time.Second))
			}
			f.StartedAt = f.StartedAt.Add(time.Duration(rapid.IntRange(-50, 50).Draw(t, "late")) * time.Hour) // the name decides about the day, whenever it ran
			switch rapid.IntRange(0, 5).Draw(t, "state") {
			case 0:
				f.Complete, f.Unfinished = false, true
			case 1:
				f.Complete = false
			}
			if !seen[f.Name] {
				seen[f.Name] = true
				all = append(all, f)
			}
		}
		d := holds(t, keep, all)

		// Nothing more goes when what stayed is looked at again.
		rest := slices.DeleteFunc(slices.Clone(all), func(f retention.Candidate) bool { return slices.Contains(names(d.Go), f.Name) })
		if again := retention.Plan(keep, rest); len(again.Go) != 0 {
			t.Fatalf("a second run removes %q", names(again.Go))
		}
		// Without one of them, whatever stayed stays: to overlook a backup never costs another one.
		if len(all) > 0 {
			without := slices.Delete(slices.Clone(all), 0, 1)
			for _, g := range retention.Plan(keep, without).Go {
				if !slices.Contains(names(d.Go), g.Name) {
					t.Fatalf("without %s, %s goes", all[0].Name, g.Name)
				}
			}
		}
	})
}

func TestPlan_OverTenYearsOfNights(t *testing.T) {
	t.Parallel()
	for _, keep := range []retention.Keep{{Daily: 30, Weekly: 8, Monthly: 12, Yearly: 3}, {Daily: 1}, {Weekly: 3}, {Monthly: 2, Yearly: 20}, {Daily: 7, Yearly: 1}} {
		t.Run(keep.String(), func(t *testing.T) {
			t.Parallel()
			const days = 3650
			random := rand.New(rand.NewPCG(20261122, uint64(keep.Daily*1000+keep.Weekly)))
			start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
			var there, ever []retention.Candidate
			gap := 0
			for i := range days {
				day := start.AddDate(0, 0, i)
				var tonight []retention.Candidate
				switch gap--; {
				case gap > 0:
				case random.IntN(200) == 0:
					gap = random.IntN(60) // nothing for up to two months
				default:
					tonight = append(tonight, nightly(day))
				}
				for range random.IntN(3) * random.IntN(2) {
					tonight = append(tonight, byHand(day.Add(time.Duration(1+random.IntN(86399))*time.Second)))
				}
				for j := range tonight {
					switch random.IntN(20) {
					case 0:
						tonight[j].Complete, tonight[j].Unfinished = false, true
					case 1:
						tonight[j].Complete = false
					}
				}
				slices.SortFunc(tonight, func(a, b retention.Candidate) int { return strings.Compare(a.Name, b.Name) })
				tonight = slices.CompactFunc(tonight, func(a, b retention.Candidate) bool { return a.Name == b.Name })
				there, ever = append(there, tonight...), append(ever, tonight...)
				d := holds(t, keep, there)
				gone := names(d.Go)
				there = slices.DeleteFunc(there, func(f retention.Candidate) bool { return slices.Contains(gone, f.Name) })
				if i%1216 != 1215 { // this is the square of many
					continue
				}
				// Night by night, the rules keep what they keep of all that ever was.
				for _, f := range ever {
					if f.Complete && oracleStays(f, ever, keep) != slices.ContainsFunc(there, func(k retention.Candidate) bool { return k.Name == f.Name }) {
						t.Fatalf("on %s, %s is not as the rules over the whole history want it", day.Format(time.DateOnly), f.Name)
					}
				}
			}
		})
	}
}

func TestPlan_CountsThePeriodsThatHoldABackup(t *testing.T) {
	t.Parallel()
	day := func(text string) retention.Candidate {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return nightly(at)
	}
	moment := func(text string) retention.Candidate {
		at, err := time.Parse("2006-01-02T150405", text)
		if err != nil {
			t.Fatal(err)
		}
		return byHand(at)
	}
	late := day("2026-11-20")
	late.StartedAt = late.StartedAt.Add(30 * time.Hour)
	unfinished := func(c retention.Candidate) retention.Candidate { c.Complete, c.Unfinished = false, true; return c }
	strange := func(c retention.Candidate) retention.Candidate { c.Complete = false; return c }
	for name, c := range map[string]struct {
		keep retention.Keep
		all  []retention.Candidate
		gone []string
	}{
		"no_rule_no_removal":                   {retention.Keep{}, []retention.Candidate{unfinished(day("2020-01-01")), day("2026-11-20"), day("2026-11-21")}, nil},
		"days_without_a_backup_do_not_count":   {retention.Keep{Daily: 2}, []retention.Candidate{day("2025-01-01"), day("2026-03-01"), day("2026-11-20")}, []string{"2025-01-01"}},
		"one_of_a_day_is_enough":               {retention.Keep{Daily: 2}, []retention.Candidate{day("2026-11-20"), moment("2026-11-20T080000"), day("2026-11-21")}, []string{"2026-11-20"}},
		"the_newest_of_a_day_started_last":     {retention.Keep{Daily: 2}, []retention.Candidate{late, moment("2026-11-20T080000"), day("2026-11-21")}, []string{"2026-11-20T080000"}},
		"the_week_of_New_Year_is_one":          {retention.Keep{Weekly: 2}, []retention.Candidate{day("2026-12-21"), day("2026-12-31"), day("2027-01-03"), day("2027-01-04")}, []string{"2026-12-21", "2026-12-31"}},
		"an_unfinished_one_keeps_nothing":      {retention.Keep{Daily: 1}, []retention.Candidate{day("2026-11-20"), unfinished(day("2026-11-21"))}, nil},
		"an_unfinished_one_goes_later":         {retention.Keep{Daily: 9}, []retention.Candidate{unfinished(day("2026-11-20")), day("2026-11-21")}, []string{"2026-11-20"}},
		"an_unfinished_one_of_today_stays":     {retention.Keep{Daily: 9}, []retention.Candidate{unfinished(moment("2026-11-21T080000")), day("2026-11-21"), moment("2026-11-21T090000")}, []string{"2026-11-21"}},
		"what_is_not_ours_stays":               {retention.Keep{Daily: 1}, []retention.Candidate{strange(day("2020-11-20")), day("2026-11-20"), day("2026-11-21")}, []string{"2026-11-20"}},
		"the_newest_stays_though_no_rule_does": {retention.Keep{Yearly: 1}, []retention.Candidate{day("2026-11-20")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := names(holds(t, c.keep, c.all).Go); !slices.Equal(got, c.gone) && len(got)+len(c.gone) > 0 {
				t.Errorf("%q goes, want %q", got, c.gone)
			}
		})
	}
}

func TestPlan_SaysByWhichRuleABackupStays(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	d := retention.Plan(retention.Keep{Daily: 1, Weekly: 2, Monthly: 1}, []retention.Candidate{nightly(at.AddDate(0, 0, -9)), nightly(at.AddDate(0, 0, -7)), nightly(at)})
	want := []retention.Verdict{{Name: "2026-11-15", Reason: "weekly: the newest of 2026-W46"},
		{Name: "2026-11-22", Reason: "the newest of all, daily: the newest of 2026-11-22, weekly: the newest of 2026-W47, monthly: the newest of 2026-11"}}
	if !slices.Equal(d.Stay, want) {
		t.Errorf("%+v", d.Stay)
	}
	if len(d.Go) != 1 || d.Go[0] != (retention.Verdict{Name: "2026-11-13", Reason: "no rule of daily=1,weekly=2,monthly=1 keeps it"}) {
		t.Errorf("%+v", d.Go)
	}
}
