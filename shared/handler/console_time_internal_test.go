package handler

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestInTime(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ left, want time.Duration }{
		"without_a_deadline":           {0, 25 * time.Second},
		"with_more_than_a_gateway_has": {15 * time.Minute, 25 * time.Second},
		"with_what_a_gateway_has":      {20 * time.Second, 18 * time.Second},
		"with_little":                  {4 * time.Second, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, begun := t.Context(), time.Now()
				if test.left > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.left)
					defer cancel()
				}
				work, cancel := inTime(ctx)
				defer cancel()
				if end, _ := work.Deadline(); end.Sub(begun) != test.want {
					t.Errorf("%v of work, want %v", end.Sub(begun), test.want)
				}
			})
		})
	}
}
