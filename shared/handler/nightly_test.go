package handler_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
)

// TestBackup_EveryCalendarDayHasOneNightlyFolder lets the timer fire at the beginning of every local day over years in which the clocks change, at midnight
// itself in two of the zones: midnight is there twice, or not at all.
func TestBackup_EveryCalendarDayHasOneNightlyFolder(t *testing.T) {
	t.Parallel()
	for zone, from := range map[string]int{
		"Europe/Berlin":       2024,
		"America/New_York":    2024,
		"Australia/Lord_Howe": 2024, // by half an hour
		"America/Sao_Paulo":   2015, // at midnight, until 2019
		"Africa/Cairo":        2023, // at midnight
		"Asia/Shanghai":       2024,
	} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			local, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			beijing, region := time.FixedZone("", 8*3600), time.FixedZone("", -5*3600)
			seen := map[string]string{}
			for day := time.Date(from, 1, 1, 12, 0, 0, 0, time.UTC); day.Year() < from+4; day = day.AddDate(0, 0, 1) {
				want := day.Format(time.DateOnly)
				due := beginning(day, local)
				for what, c := range map[string]struct {
					at   time.Time
					zone *time.Location
				}{
					"on time, with the zone's own offset":            {due, nil},
					"on time, with the zone's own offset, in a zone": {due, local},
					"on time, in UTC":                                {due.UTC(), local},
					"on time, from a region far east":                {due.In(beijing), local},
					"on time, from a region far west":                {due.In(region), local},
					"late":                                           {due.Add(7 * time.Second), local},
					"very late":                                      {due.Add(150 * time.Minute), local},
					"very late, with the zone's own offset":          {due.Add(150 * time.Minute), nil},
					"at the very end of the day":                     {beginning(day.AddDate(0, 0, 1), local).Add(-time.Second), local},
				} {
					payload := functiongraph.TimerEvent("nightly", c.at, "")
					for range 2 { // FunctionGraph may deliver an event twice
						got, err := handler.FolderOfTimer(t.Context(), payload, c.zone)
						if err != nil || got != want {
							t.Fatalf("%s %s: %s is stored in %q, %v", want, what, payload, got, err)
						}
					}
				}
				if other, twice := seen[want]; twice {
					t.Fatalf("%s and %s share %s", other, due, want)
				}
				seen[want] = due.String()
			}
			if days := 4*365 + 1; len(seen) != days {
				t.Errorf("%d days have a folder, want %d", len(seen), days)
			}
		})
	}
}

// beginning is the first second of a calendar day in a zone. Where the clocks skip midnight, that is not 00:00.
func beginning(day time.Time, zone *time.Location) time.Time {
	date := day.Format(time.DateOnly)
	noon := time.Date(day.Year(), day.Month(), day.Day(), 12, 0, 0, 0, zone)
	at := noon.Add(-11 * time.Hour)
	for at.Format(time.DateOnly) == date { // by half hours: all zones here change by these
		at = at.Add(-30 * time.Minute)
	}
	for at.Format(time.DateOnly) != date {
		at = at.Add(time.Minute)
	}
	return at
}
