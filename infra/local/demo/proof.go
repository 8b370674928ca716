package main

import (
	"context"
	"fmt"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
)

// differencesShown is how many differences are listed one by one.
const differencesShown = 8

// prove compares what is in the workspaces now, as the service holds it, with what was there before midnight.
func (s *story) prove(context.Context) error {
	s.t.heading("The proof: each asset before midnight against the same asset now")
	for _, p := range s.places {
		now := local.TakeSnapshot(p.w)
		found, err := p.before.Differences(now)
		if err != nil {
			return err
		}
		edited := map[string]bool{}
		for _, d := range found {
			edited[d.Asset] = true
		}
		s.t.line("%-9s  %d assets compared: %d equal, %d as edited, %d lost", p.name, len(p.before), len(p.before)-len(edited), len(edited), lost(p.before, now))
		for i, d := range found {
			if i == differencesShown && len(found) > differencesShown+1 {
				s.t.line("  %s", s.t.paint(faint, fmt.Sprintf("and %d more", len(found)-differencesShown)))
				break
			}
			s.t.line("  %s %s  %s", d.Asset, s.t.paint(faint, d.Path), s.t.paint(red, d.From)+" → "+s.t.paint(green, d.To))
		}
		unwanted, err := p.expected.Differences(now)
		if err != nil {
			return err
		}
		if len(unwanted) > 0 {
			return fmt.Errorf("%s differs in %d places from what was backed up and edited, the first: %v", p.name, len(unwanted), unwanted[0])
		}
	}
	wanted, err := s.places[0].before.Differences(s.places[0].expected)
	if err != nil {
		return err
	}
	if len(wanted) <= editedNodes {
		return fmt.Errorf("the edits change %d places, so the rule for %s fits nothing", len(wanted), ruleFrom)
	}
	s.t.done("nothing is lost; the only differences are the edited values, and they are what the operator wrote")
	return nil
}

// lost counts the assets that are there no more.
func lost(before, now local.Snapshot) int {
	n := 0
	for name := range before {
		if _, ok := now[name]; !ok {
			n++
		}
	}
	return n
}
