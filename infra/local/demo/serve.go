package main

import (
	"context"
	"strings"
)

// serve keeps the cloud running until the user has had enough.
func (s *story) serve(ctx context.Context) error {
	t := s.t
	t.heading("Yours until Ctrl-C")
	t.line("Manage Backup page   %s", t.paint(cyan, s.cloud.PageURL()))
	t.line("HTTP API             curl -H 'X-Apig-AppCode: %s' %s/restores", s.cloud.AppCode, s.cloud.GatewayURL)
	t.line("")
	t.line("The functions on this cloud, from another terminal:")
	t.line("")
	for _, pair := range s.cloud.Environment() {
		name, value, _ := strings.Cut(pair, "=")
		t.print("export " + name + "=" + quote(value) + "\n") // from the first column, to be copied
	}
	t.line("")
	t.line("make invoke FUNCTION=backup EVENT=events/command-backup.json")
	t.line("")
	<-ctx.Done()
	t.line("Closing.")
	return nil
}

// quote makes a value one word of a shell.
func quote(value string) string { return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'" }

// next says what to try next.
func (s *story) next() {
	s.t.print("\nNext:\n")
	for _, line := range [][2]string{
		{"make demo KEEP=1", "keep the cloud: open the page, send requests"},
		{"make demo DEMO_FLAGS=-v", "see what the functions log"},
		{"make demo DEMO_FLAGS='-zone Asia/Shanghai'", "another midnight"},
		{"ls events/", "what the functions can be sent, for make invoke"},
	} {
		s.t.line("%-44s %s", line[0], s.t.paint(faint, line[1]))
	}
}
