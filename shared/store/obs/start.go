package obs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	sdk "github.com/huaweicloud/huaweicloud-sdk-go-obs/obs"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

var _ store.Starter = (*Bucket)(nil)

// GetStart opens the first n bytes of an object, as store.Starter says. A service that knows no ranges answers with the whole object, of which the caller
// reads what it needs.
func (b *Bucket) GetStart(ctx context.Context, key string, n int64) (io.ReadCloser, store.Info, error) {
	c, o := b.client, op{"get object", b.name, key}
	if err := checkKey(key); err != nil {
		return nil, store.Info{}, c.fail(o, 0, err)
	}
	var opened *body
	var info store.Info
	err := c.do(ctx, o, 0, func(a *attempt) error {
		input := &sdk.GetObjectInput{Range: fmt.Sprintf("bytes=0-%d", n-1)}
		input.Bucket, input.Key = b.name, key
		output, err := a.sdk.GetObject(input, c.clock())
		if err != nil {
			return err
		}
		info = infoOf(key, &output.GetObjectMetadataOutput)
		opened = &body{from: output.Body, ctx: ctx, attempt: a, left: info.Size, client: c, op: o}
		a.keep = true
		return nil
	})
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusRequestedRangeNotSatisfiable {
		return b.Get(ctx, key) // an empty object has no first byte
	}
	if err != nil {
		return nil, store.Info{}, err
	}
	return opened, info, nil
}
