package drill_test

import (
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/drill"
)

// What lies where the workspace that is backed up has its own files would be used there, and removed again under its hands.
func TestRun_PutsNoFileWhereTheBackedUpWorkspaceHasItsOwn(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]bool{"kept": true, "removed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onGround(t, func(g *ground) {
				const location = "obs://prod/udf.jar"
				if err := g.Objects.CreateBucket("prod"); err != nil {
					t.Fatal(err)
				}
				if err := g.Objects.PutObject("prod", "udf.jar", []byte("the bytes of a jar")); err != nil {
					t.Fatal(err)
				}
				if err := g.Handle(localtest.Workspace).Put(dataarts.Resources, []byte(`{"name":"produdf","type":"jar","directory":"/lib","location":"`+location+`"}`)); err != nil {
					t.Fatal(err)
				}
				g.backUp("2026-11-23")
				if err := g.Objects.DeleteObject("prod", "udf.jar"); err != nil {
					t.Fatal(err)
				}
				r, err := g.try("drill-1", func(s *drill.Spec) { s.Keep = keep })
				if err != nil || r.Status != drill.Good || !strings.Contains(r.Message, location) || !strings.Contains(r.Message, "replace.obsPath") {
					t.Errorf("%v %s: %s", err, r.Status, r.Message)
				}
				if _, there := g.Objects.GetObject("prod", "udf.jar"); there {
					t.Errorf("the drill has written %s, which the backed-up workspace points to", location)
				}
			})
		})
	}
}
