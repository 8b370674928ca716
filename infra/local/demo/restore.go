package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
)

// report is what the demo reads of a restore's report.
type report struct {
	ID       string                    `json:"id"`
	Status   string                    `json:"status"`
	Message  string                    `json:"message"`
	Progress struct{ Done, Total int } `json:"progress"`
	Items    []struct {
		Kind, Name, Directory, Outcome, Reason string
	} `json:"items"`
}

// restore asks for both restores by HTTP, follows them and shows their reports.
func (s *story) restore(ctx context.Context) error {
	s.t.heading("Both are restored by HTTP")
	for _, p := range s.places {
		body := fmt.Sprintf(`{"date":"latest","workspace":"%s","duplicateNamePolicy":"overwrite"}`, p.id)
		response, err := s.call(ctx, http.MethodPost, "/restores", body)
		if err != nil {
			return err
		}
		location := response.location
		s.t.line("POST /restores %s", s.t.paint(faint, body))
		s.t.line("  %s  Location: %s", s.t.paint(green, response.status), location)
		if response.code != http.StatusAccepted || !strings.HasPrefix(location, "/restores/") {
			return fmt.Errorf("POST /restores was answered %s, want 202 with a Location: %s", response.status, response.body)
		}
		asked := time.Now()
		if err := s.follow(ctx, p, location); err != nil {
			return err
		}
		s.t.line("GET %s", location)
		s.t.line("  %s  %d of %d, %s", s.t.paint(green, p.report.Status), p.report.Progress.Done, p.report.Progress.Total, seconds(time.Since(asked)))
		if p.report.Status != "COMPLETE" {
			return fmt.Errorf("the restore of %s is %s, want COMPLETE: %s", p.name, p.report.Status, p.report.Message)
		}
	}
	s.t.line("")
	for _, p := range s.places {
		if err := s.showReport(p); err != nil {
			return err
		}
	}
	s.t.done("both reports are COMPLETE; every asset was read back after it was written")
	return nil
}

// follow polls a restore until it is over.
func (s *story) follow(ctx context.Context, p *place, location string) error {
	for {
		response, err := s.call(ctx, http.MethodGet, location, "")
		if err != nil {
			return err
		}
		if response.code != http.StatusOK {
			return fmt.Errorf("GET %s was answered %s: %s", location, response.status, response.body)
		}
		p.report = report{}
		if err := json.Unmarshal(response.body, &p.report); err != nil {
			return fmt.Errorf("GET %s: not JSON: %w", location, err)
		}
		if p.report.Status != "RUNNING" {
			return nil
		}
		live := 0
		for _, n := range countAssets(p.w) {
			live += n
		}
		if p.report.Progress.Total == 0 {
			s.t.progress("GET %s: %s, making the plan", location, p.report.Status)
		} else {
			s.t.progress("GET %s: %s, %d of %d done, %d assets live", location, p.report.Status, p.report.Progress.Done, p.report.Progress.Total, live)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(150 * time.Millisecond):
		}
	}
}

// showReport shows a report as a table, and beside its outcomes how many assets came back with edited values.
func (s *story) showReport(p *place) error {
	differences, err := p.before.Differences(local.TakeSnapshot(p.w))
	if err != nil {
		return err
	}
	edited := map[string]map[string]bool{}
	for _, d := range differences {
		kind, name, _ := strings.Cut(d.Asset, " ")
		if edited[kind] == nil {
			edited[kind] = map[string]bool{}
		}
		edited[kind][name] = true
	}
	outcomes := []string{"created", "overwritten", "skipped", "unchanged", "failed", "blocked"}
	rows := [][]string{append(append([]string{p.name}, outcomes...), "edited")}
	for _, kind := range []string{"env", "resources", "scripts", "jobs"} {
		counts := map[string]int{}
		for _, item := range p.report.Items {
			if item.Kind == kind {
				counts[item.Outcome]++
			}
		}
		row := []string{map[string]string{"env": "variables"}[kind] + map[bool]string{true: kind}[kind != "env"]}
		for _, outcome := range outcomes {
			row = append(row, number(counts[outcome]))
		}
		rows = append(rows, append(row, number(len(edited[kind]))))
	}
	s.t.table(rows)
	return nil
}

// number is a count in a table where most are nought.
func number(n int) string {
	if n == 0 {
		return "·"
	}
	return fmt.Sprint(n)
}

// response is the gateway's answer.
type response struct {
	code     int
	status   string // with the code's words
	location string
	body     []byte
}

// call sends a request to the gateway.
func (s *story) call(ctx context.Context, method, path, body string) (response, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.cloud.GatewayURL+path, strings.NewReader(body))
	if err != nil {
		return response{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	r.Header.Set("Content-Type", "application/json")
	s.cloud.Authorize(r)
	answered, err := http.DefaultClient.Do(r)
	if err != nil {
		return response{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { _ = answered.Body.Close() }()
	text, err := io.ReadAll(answered.Body)
	if err != nil {
		return response{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return response{answered.StatusCode, answered.Status, answered.Header.Get("Location"), text}, nil
}
