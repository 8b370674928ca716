package obs

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	sdk "github.com/huaweicloud/huaweicloud-sdk-go-obs/obs"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// A part that the service copies by itself. Large, so that the largest object (48.8 TB) stays below the number of parts.
const copyPartSize = 1 << 30

// Copy writes the object at from to key. The service does it alone, in parts above Options.CopyLimit. Where it refuses, as between
// regions, the bytes travel through here, Options.PartSize of memory at a time.
//
// The source is held to the ETag it had at the beginning, and the copy is looked at when it is done: its size must be the source's,
// and its ETag too where both are MD5s. A bucket that the copy should go into and that does not exist is an error, but not
// store.ErrNotExist: that speaks of the source.
func (b *Bucket) Copy(ctx context.Context, from store.Location, key string) (store.Info, error) {
	c, o := b.client, op{"copy object " + from.Bucket + "/" + from.Key + " to", b.name, key}
	if err := errors.Join(checkKey(from.Key), checkKey(key)); err != nil {
		return store.Info{}, c.fail(o, 0, err)
	}
	origin := c.Bucket(from.Bucket)
	source, sourceEncryption, err := origin.stat(ctx, from.Key)
	if err != nil {
		return store.Info{}, fmt.Errorf("copy object %s/%s: %w", from.Bucket, from.Key, err)
	}
	if source.Size <= c.opts.CopyLimit {
		err = b.copyWhole(ctx, o, from, source, key)
	} else {
		err = b.copyParts(ctx, o, origin, source, key, true)
	}
	if e, ok := errors.AsType[*Error](err); ok && refused(e) {
		if _, _, gone := origin.stat(ctx, from.Key); errors.Is(gone, store.ErrNotExist) {
			return store.Info{}, fmt.Errorf("copy object %s/%s: %w", from.Bucket, from.Key, gone)
		}
		if err = b.copyThrough(ctx, o, origin, source, key); err != nil {
			err = fmt.Errorf("%w (the service itself refused to copy: %s)", notAboutSource(err), e.text)
		}
	}
	if err != nil {
		return store.Info{}, err
	}
	stored, storedEncryption, err := b.stat(ctx, key)
	if err != nil {
		return store.Info{}, notAboutSource(err)
	}
	if stored.Size != source.Size {
		return store.Info{}, c.damaged(o, fmt.Sprintf("the copy has %d bytes, the source %d", stored.Size, source.Size))
	}
	if !bool(sourceEncryption) && !bool(storedEncryption) && isMD5(source.ETag) && isMD5(stored.ETag) && source.ETag != stored.ETag {
		return store.Info{}, c.damaged(o, "the copy's ETag is "+stored.ETag+", the source's "+source.ETag)
	}
	return stored, nil
}

// refused says whether the service will not copy this object by itself, rather than being out of order.
func refused(e *Error) bool {
	return e.Status >= 400 && e.Status < 500 && e.Status != http.StatusPreconditionFailed && e.Status != http.StatusTooManyRequests &&
		e.Status != http.StatusRequestTimeout || e.Status == http.StatusNotImplemented
}

// notAboutSource takes store.ErrNotExist off an error about the copy's own bucket.
func notAboutSource(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && errors.Is(e.cause, store.ErrNotExist) {
		other := *e
		other.cause = nil
		return &other
	}
	return err
}

// copySource is the header that names the source. The SDK would write a space in a key as "+", which names another object.
func copySource(from store.Location) string { return from.Bucket + "/" + escapeKey(from.Key) }

func (b *Bucket) copyWhole(ctx context.Context, o op, from store.Location, source store.Info, key string) error {
	c := b.client
	return c.do(ctx, o, source.Size, func(a *attempt) error {
		input := &sdk.CopyObjectInput{CopySourceBucket: from.Bucket, CopySourceKey: from.Key, CopySourceIfMatch: quoteETag(source.ETag)}
		input.Bucket, input.Key = b.name, key
		output, err := a.sdk.CopyObject(input, c.clock(), sdk.WithCustomHeader(c.serviceHeader("copy-source"), copySource(from)))
		if err == nil && output.XMLName.Local == "" {
			return errors.New("the answer does not say that the object was copied")
		}
		return err
	})
}

// copyThrough carries the bytes through this process.
func (b *Bucket) copyThrough(ctx context.Context, o op, origin *Bucket, source store.Info, key string) error {
	if source.Size > b.client.opts.PartSize {
		return b.copyParts(ctx, o, origin, source, key, false)
	}
	data, err := origin.readRange(ctx, source, 0, source.Size)
	if err != nil {
		return err
	}
	_, err = b.Put(ctx, key, data, store.Condition{})
	return err
}

func isMD5(etag string) bool {
	if len(etag) != 32 {
		return false
	}
	for _, ch := range []byte(etag) {
		if (ch < '0' || ch > '9') && (ch < 'a' || ch > 'f') {
			return false
		}
	}
	return true
}
