package vault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

const recordKey = "nightly/verifications/2026-11-22.json"

func TestVerification(t *testing.T) {
	t.Parallel()

	t.Run("a_record_is_read_as_it_was_written", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		b := s.linked("2026-11-22")
		if r, err := s.vault.Verification(t.Context(), "2026-11-22"); r != nil || err != nil {
			t.Fatalf("before there is one: %+v %v", r, err)
		}
		if err := s.vault.SetVerification(t.Context(), "2026-11-22", vault.Verification{ManifestSHA256: b.ManifestSHA256, Status: vault.Verified, At: noon, By: "backup"}); err != nil {
			t.Fatal(err)
		}
		var raw map[string]any
		if err := json.Unmarshal([]byte(s.object(recordKey)), &raw); err != nil {
			t.Fatal(err)
		}
		if raw["formatVersion"] != 1.0 || raw["path"] != "obs://"+localtest.Bucket+"/nightly/2026-11-22/" || raw["status"] != "VERIFIED" || raw["at"] != "2026-11-22T12:00:00Z" || raw["by"] != "backup" {
			t.Errorf("%v", raw)
		}
		if faults, ok := raw["faults"].([]any); !ok || len(faults) != 0 {
			t.Errorf("faults %v", raw["faults"])
		}
		r, err := s.vault.Verification(t.Context(), "2026-11-22")
		if err != nil || r.Status != vault.Verified || !r.At.Equal(noon) {
			t.Errorf("%+v %v", r, err)
		}
		if err := s.committed("2026-11-22").Verify(t.Context()); err != nil {
			t.Errorf("the record is taken for a part of the backup: %v", err)
		}
	})

	t.Run("speaks_of_one_backup_and_of_no_other_in_the_same_folder", func(t *testing.T) {
		t.Parallel()
		of := func(record string, state vault.State, sha256 string) bool {
			r := &vault.Verification{ManifestSHA256: record}
			return r.Of(vault.Inspection{State: state, ManifestSHA256: sha256})
		}
		var none *vault.Verification
		switch {
		case !of("a", vault.StateComplete, "a"), !of("", vault.StateDamaged, ""):
			t.Error("a record does not speak of its own backup")
		case of("a", vault.StateComplete, "b"), of("", vault.StateComplete, "b"), of("a", vault.StateDamaged, ""), of("", vault.StateIncomplete, ""), of("a", vault.StatePartial, "a"):
			t.Error("a record speaks of another backup")
		case none.Of(vault.Inspection{State: vault.StateComplete}):
			t.Error("no record speaks")
		}
	})

	t.Run("is_bounded", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		var faults []string
		for i := range 5000 {
			faults = append(faults, fmt.Sprintf("%d %s\xff", i, strings.Repeat("作业", 1000)))
		}
		if err := s.vault.SetVerification(t.Context(), "2026-11-22", vault.Verification{Status: vault.Damaged, Faults: faults}); err != nil {
			t.Fatal(err)
		}
		r, err := s.vault.Verification(t.Context(), "2026-11-22")
		if err != nil || r.FaultCount != 5000 || len(r.Faults) != 20 || !strings.HasPrefix(r.Faults[19], "19 作业") || !strings.HasSuffix(r.Faults[0], "…") || len(s.object(recordKey)) > 32<<10 {
			t.Errorf("%d bytes, %+v %v", len(s.object(recordKey)), r, err)
		}
		for _, fault := range r.Faults {
			if len(fault) > 1000 || strings.ContainsRune(fault, '\uFFFD') {
				t.Errorf("%d bytes: %s", len(fault), fault)
			}
		}
	})

	t.Run("one_that_cannot_be_understood_is_malformed", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		s.put(recordKey, "{")
		if _, err := s.vault.Verification(t.Context(), "2026-11-22"); !errors.Is(err, vault.ErrMalformed) {
			t.Error(err)
		}
	})

	t.Run("all_are_listed_with_what_changes_with_them", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		s.put("nightly/verifications/readme.txt", "x")
		s.put("nightly/verifications/2026-11-99.json", "x")
		record := vault.Verification{Status: vault.Verified, At: noon}
		for _, name := range []string{"2026-11-21", "2026-11-22T010203"} {
			if err := s.vault.SetVerification(t.Context(), name, record); err != nil {
				t.Fatal(err)
			}
		}
		before, err := s.vault.Verifications(t.Context())
		if err != nil || len(before) != 2 || before["2026-11-21"] == "" {
			t.Fatalf("%v %v", before, err)
		}
		record.Status = vault.ChainBroken
		if err := s.vault.SetVerification(t.Context(), "2026-11-21", record); err != nil {
			t.Fatal(err)
		}
		after, err := s.vault.Verifications(t.Context())
		if err != nil || after["2026-11-21"] == before["2026-11-21"] || after["2026-11-22T010203"] != before["2026-11-22T010203"] {
			t.Errorf("%v, before %v: %v", after, before, err)
		}
		folders, err := s.vault.Folders(t.Context())
		if err != nil || len(folders) != 0 {
			t.Errorf("the records are taken for backups: %v %v", folders, err)
		}
	})

	t.Run("goes_with_its_backup", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		s.linked("2026-11-21")
		s.linked("2026-11-22")
		for _, name := range []string{"2026-11-21", "2026-11-22"} {
			if err := s.vault.SetVerification(t.Context(), name, vault.Verification{Status: vault.Verified}); err != nil {
				t.Fatal(err)
			}
		}
		s.remove("2026-11-22")
		left, err := s.vault.Verifications(t.Context())
		if err != nil || len(left) != 1 || left["2026-11-21"] == "" {
			t.Errorf("%v %v", left, err)
		}
	})

	t.Run("goes_with_what_a_removal_that_was_cut_off_has_left", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		s.linked("2026-11-22")
		if err := s.vault.SetVerification(t.Context(), "2026-11-22", vault.Verification{Status: vault.Verified}); err != nil {
			t.Fatal(err)
		}
		s.drop("nightly/2026-11-22/backup.json")
		s.drop("nightly/2026-11-22/3_scripts/sql.script")
		if err := s.vault.Remove(t.Context(), "2026-11-22", vault.Removal{At: noon, Reason: "test"}); err != nil {
			t.Fatal(err)
		}
		if left := s.object(recordKey); left != "" {
			t.Error(left)
		}
	})
}
