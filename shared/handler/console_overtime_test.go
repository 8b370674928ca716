package handler_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
)

// A store that is slow must not make a list end in an error, nor hide a backup.
func TestConsole_ListsAsManyBackupsAsItHasTimeFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newConsoleBench(t)
		for i := 1; i <= 20; i++ {
			b.backup("factory", fmt.Sprintf("2026-10-%02d", i), nil)
		}
		slow := func(older string) {
			b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
				if name, ok := strings.CutPrefix(c.Key, "factory/"); ok && c.Operation == "GetObject" && name < older {
					return &objectstore.Fault{Delay: time.Hour}
				}
				return nil
			})
		}
		list := func(target string) consoleAnswer {
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			return b.sendWithin(ctx, "GET", target)
		}
		slow("2026-10-15")
		first := decodeConsole[consoleList](t, list("/backups"), 200)
		if len(first.Backups) != 6 || first.Backups[0].Name != "2026-10-20" || first.Backups[5].Name != "2026-10-15" || first.Next != "2026-10-15" || first.Total != 20 {
			t.Errorf("%d of %d, next %q", len(first.Backups), first.Total, first.Next)
		}
		for _, one := range first.Backups {
			if one.Status != "COMPLETE" {
				t.Errorf("%+v", one)
			}
		}
		e := decodeConsole[consoleError](t, list("/backups?after="+first.Next), 504)
		if e.Error.Code != "timeout" || !strings.Contains(e.Error.Message, "2026-10-14") {
			t.Errorf("%+v", e)
		}
		if e := decodeConsole[consoleError](t, list("/calendar?until=2026-10-14"), 504); e.Error.Code != "timeout" {
			t.Errorf("%+v", e)
		}
		b.objects.Intercept(nil)
		rest := decodeConsole[consoleList](t, b.send("GET", "/backups?after="+first.Next), 200)
		if len(rest.Backups) != 14 || rest.Backups[0].Name != "2026-10-14" || rest.Next != "" {
			t.Errorf("%d, next %q", len(rest.Backups), rest.Next)
		}
	})
}
