package vault_test

import (
	"testing"
	"time"
)

func TestReported_IsWhatWasPutOnRecord(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	want := func(folder string, at time.Time, want bool) {
		t.Helper()
		if got, err := s.vault.IsReported(t.Context(), folder, at); err != nil || got != want {
			t.Errorf("%s of %s: %v %v", folder, at, got, err)
		}
	}
	report := func(folder string, at time.Time) {
		t.Helper()
		if err := s.vault.SetReported(t.Context(), folder, at); err != nil {
			t.Fatal(err)
		}
	}
	want("2026-11-22", noon, false)
	report("2026-11-22", noon.In(time.FixedZone("", 3600)))
	want("2026-11-22", noon, true)
	want("2026-11-22", noon.Add(time.Nanosecond), false) // taken again after it was removed
	want("2026-11-22T120000", noon, false)
	want("2026-11-21", noon.AddDate(0, 0, -1), false) // it may have been interrupted

	for i := range 100 {
		report("2026-11-23", noon.AddDate(0, 0, 1).Add(time.Duration(i)*time.Minute))
	}
	want("2026-11-22", noon, true) // from before all that is on record
	want("2026-11-22T120000", noon, true)
	want("2026-11-23T120000", noon.AddDate(0, 0, 1), false)

	s.put("nightly/reported.json", "{")
	want("2026-11-22", noon, false)
	report("2026-11-22", noon)
	want("2026-11-22", noon, true)
}
