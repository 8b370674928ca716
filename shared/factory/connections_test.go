package factory_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

func TestWorkspace_Connections(t *testing.T) {
	t.Parallel()
	for name, switches := range map[string]dataarts.Switches{"by pages": {}, "by records": {RecordOffsets: true}} {
		t.Run("are all listed "+name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, switches)
			var want []string
			for i := range 230 {
				want = append(want, fmt.Sprintf("dws_%03d", i))
				if err := c.inside.AddConnection(fmt.Appendf(nil, `{"name":"dws_%03d","type":"DWS","config":{"password":"secret"}}`, i)); err != nil {
					t.Fatal(err)
				}
			}
			got, err := c.workspace.Connections(t.Context())
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%d connections, %v", len(got), err)
			}
		})
	}
	t.Run("of a workspace without any are none", func(t *testing.T) {
		t.Parallel()
		if got, err := newCloud(t, dataarts.Switches{}).workspace.Connections(t.Context()); err != nil || len(got) > 0 {
			t.Errorf("%q %v", got, err)
		}
	})
	t.Run("are unsupported where the list is offline", func(t *testing.T) {
		t.Parallel()
		if _, err := newCloud(t, dataarts.Switches{ConnectionsUnsupported: true}).workspace.Connections(t.Context()); !errors.Is(err, factory.ErrUnsupported) {
			t.Errorf("%v", err)
		}
	})
	for status, want := range map[int]error{http.StatusMethodNotAllowed: factory.ErrUnsupported, http.StatusForbidden: factory.ErrUnauthorized} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			w, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
			if _, err := w.Connections(t.Context()); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		})
	}
	t.Run("that are claimed and not listed are an error", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"total":2,"connections":[{"name":"a"}]}`))
		})
		if got, err := w.Connections(t.Context()); err == nil || !strings.Contains(err.Error(), "counts 2 connections and lists 1") {
			t.Errorf("%q %v", got, err)
		}
	})
}
