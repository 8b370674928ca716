package handler_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// newer makes a backup one of the next format, as a newer version would have written it.
func (b *consoleBench) newer(folder string) {
	b.t.Helper()
	manifest, _ := b.objects.GetObject(consoleBucket, folder+"manifest.json")
	document, _ := b.objects.GetObject(consoleBucket, folder+"backup.json")
	next := strings.Replace(string(manifest), `"formatVersion": 1`, `"formatVersion": 2`, 1)
	b.put(folder+"manifest.json", next)
	b.put(folder+"backup.json", strings.NewReplacer(`"formatVersion": 1`, `"formatVersion": 2`, vault.Hash(manifest), vault.Hash([]byte(next))).Replace(string(document)))
}

// standing is how a backup stands in the list, by itself and in the calendar.
type standing struct {
	list, one       liveBackup
	calendar        string
	verified, known bool
}

func (b *consoleBench) standing(name string) (s standing) {
	b.t.Helper()
	type calendar struct {
		Days []struct {
			State               string
			Verified, Inspected bool
		}
	}
	day := decodeConsole[calendar](b.t, b.send("GET", "/calendar?days=1&until="+name[:10]), 200).Days[0]
	s.calendar, s.verified, s.known = day.State, day.Verified, day.Inspected
	s.one = decodeConsole[liveBackup](b.t, b.send("GET", "/backups/"+name), 200)
	for _, listed := range decodeConsole[liveList](b.t, b.send("GET", "/backups"), 200).Backups {
		if listed.Name == name {
			s.list = listed
		}
	}
	return s
}

func TestConsole_StandsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	t.Run("a_backup_that_a_verification_found_damaged", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22", nil)
		b.remove("factory/2026-11-22/4_jobs/nightly.job")
		if s := b.standing("2026-11-22"); s.list.Status != "COMPLETE" || s.one.Status != "COMPLETE" || s.calendar != "COMPLETE" {
			t.Errorf("nobody knows yet: %+v", s)
		}
		b.send("POST", "/backups/2026-11-22/verify")
		s := b.standing("2026-11-22")
		if s.list.Status != "DAMAGED" || s.one.Status != "DAMAGED" || s.calendar != "DAMAGED" || !s.known || s.verified {
			t.Errorf("%+v", s)
		}
		for _, message := range []string{s.list.Message, s.one.Message, s.one.Verified.Message} {
			if !strings.Contains(message, "nightly.job") {
				t.Errorf("message %q", message)
			}
		}
		b.put("factory/2026-11-22/4_jobs/nightly.job", `{"name":"nightly"}`)
		b.send("POST", "/backups/2026-11-22/verify")
		if s := b.standing("2026-11-22"); s.list.Status != "COMPLETE" || s.one.Status != "COMPLETE" || s.one.Message != "" || s.calendar != "COMPLETE" || !s.verified {
			t.Errorf("after it was put right: %+v", s)
		}
	})
	t.Run("a_backup_whose_chain_is_broken", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22", func(m *vault.Manifest) {
			m.Previous = &vault.Previous{Path: "obs://backups/factory/2026-11-21/manifest.json", SHA256: "gone"}
		})
		b.send("POST", "/backups/2026-11-22/verify")
		s := b.standing("2026-11-22")
		if s.list.Status != "COMPLETE" || s.one.Status != "COMPLETE" || s.calendar != "COMPLETE" || s.verified || !s.known || s.list.Verified.Status != "CHAIN_BROKEN" {
			t.Errorf("%+v", s)
		}
	})
	t.Run("another_backup_under_the_name_of_a_damaged_one", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22", nil)
		b.remove("factory/2026-11-22/4_jobs/nightly.job")
		b.send("POST", "/backups/2026-11-22/verify")
		b.remove("factory/2026-11-22/backup.json")
		b.backup("factory", "2026-11-22", func(m *vault.Manifest) { m.Region = "another run" })
		if s := b.standing("2026-11-22"); s.list.Status != "COMPLETE" || s.one.Status != "COMPLETE" || s.calendar != "COMPLETE" || s.one.Verified != nil {
			t.Errorf("%+v", s)
		}
	})
	t.Run("a_backup_of_a_newer_version", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-21", nil)
		b.backup("factory", "2026-11-22", nil)
		b.newer("factory/2026-11-22/")
		s := b.standing("2026-11-22")
		if s.list.Status != "UNSUPPORTED" || s.one.Status != "UNSUPPORTED" || s.calendar != "UNSUPPORTED" || !s.known {
			t.Errorf("%+v", s)
		}
		const words = "was written by a newer version: formatVersion is 2"
		if !strings.Contains(s.one.Message, words) || !strings.Contains(s.list.Message, words) {
			t.Errorf("%+v", s)
		}
		for _, request := range [][2]string{{"POST", "/backups/2026-11-22/verify"}, {"GET", "/backups/2026-11-22/diff/2026-11-21"},
			{"GET", "/backups/2026-11-22/asset?key=1_env/env.json"}, {"GET", "/backups/2026-11-22/export"}} {
			e := decodeConsole[consoleError](t, b.send(request[0], request[1]), 409)
			if e.Error.Code != "conflict" || !strings.Contains(e.Error.Message, words) || strings.Contains(e.Error.Message, "DAMAGED") {
				t.Errorf("%s %s: %+v", request[0], request[1], e)
			}
		}
		if keys, _ := b.objects.Keys(consoleBucket, "factory/verifications/"); len(keys) > 0 {
			t.Errorf("on record: %q", keys)
		}
	})
}

func TestConsole_CalendarSaysWhetherAnybodyHasLookedInto(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.everyState()
	b.backup("factory", "2026-11-01T101010", nil)
	known := func() string {
		var days []string
		type calendar struct {
			Days []struct {
				Date      string
				Inspected bool
			}
		}
		for _, d := range decodeConsole[calendar](t, b.send("GET", "/calendar?days=13&until=2026-11-13"), 200).Days {
			if d.Inspected {
				days = append(days, d.Date[8:])
			}
		}
		return strings.Join(days, " ")
	}
	// What is not there, cannot be understood or has no manifest is known at a glance. A commit is believed.
	if got := known(); got != "03 06 07 08 09" {
		t.Errorf("at first: %s", got)
	}
	b.send("POST", "/backups/2026-11-10/verify")
	b.send("POST", "/backups/2026-11-01T101010/verify")
	if got := known(); got != "01 03 06 07 08 09 10" {
		t.Errorf("after two verifications: %s", got)
	}
	b.send("GET", "/backups")
	if got := known(); got != "01 02 03 04 05 06 07 08 09 10 11" {
		t.Errorf("after the list: %s", got)
	}
}

func TestConsole_CalendarEndsWithTonight(t *testing.T) {
	t.Parallel()
	type calendar struct {
		Today string
		Days  []struct{ Date string }
	}
	for name, test := range map[string]struct {
		folders []string
		query   string
		zone    string
		last    string
	}{
		"the_backup_of_a_zone_ahead":        {[]string{"2026-11-22", "2026-11-23"}, "", "", "2026-11-23"},
		"one_by_hand":                       {[]string{"2026-11-23T010203"}, "", "", "2026-11-23"},
		"not_a_day_that_no_zone_has":        {[]string{"2026-11-22", "2026-11-24"}, "", "", "2026-11-22"},
		"beside_one_of_a_day_that_none_has": {[]string{"2026-11-23", "2027-01-01"}, "", "", "2026-11-23"},
		"today_where_nothing_is_newer":      {[]string{"2026-11-20"}, "", "", "2026-11-22"},
		"the_day_that_is_asked_for":         {[]string{"2026-11-23"}, "?until=2026-11-22", "", "2026-11-22"},
		"today_where_the_zone_is_known":     {[]string{"2026-11-23"}, "", "Europe/Lisbon", "2026-11-22"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newConsoleBench(t)
			b.now = func() time.Time { return time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC) }
			if test.zone != "" {
				b.env["BACKUP_TIME_ZONE"] = test.zone
			}
			for _, folder := range test.folders {
				b.backup("factory", folder, nil)
			}
			c := decodeConsole[calendar](t, b.send("GET", "/calendar"+test.query), 200)
			if got := c.Days[len(c.Days)-1].Date; c.Today != "2026-11-22" || got != test.last || len(c.Days) != 35 {
				t.Errorf("today %s, the last day %s, want %s", c.Today, got, test.last)
			}
		})
	}
}
