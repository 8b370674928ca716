package obs

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	sdk "github.com/huaweicloud/huaweicloud-sdk-go-obs/obs"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// List calls fn for every object below a prefix, as store.Store says. Pages are asked for one after the other and checked: a
// service that repeats itself, goes backwards or promises more without saying where to go on gives an error, not a short listing.
func (b *Bucket) List(ctx context.Context, prefix, delimiter string, fn func(store.Info) error) error {
	c, o := b.client, op{"list objects", b.name, prefix}
	var marker, last string
	encoding := "url" // so that keys with characters that XML cannot hold come through
	for {
		page, err := b.page(ctx, o, prefix, delimiter, marker, &encoding)
		if err != nil {
			return err
		}
		entries := entriesOf(page, prefix, delimiter)
		if len(entries) == 0 && page.IsTruncated && page.NextMarker == "" {
			return c.fail(o, 1, errNoOrder)
		}
		for _, entry := range entries {
			if entry.Key == last && delimiter != "" && strings.HasSuffix(last, delimiter) {
				continue // a prefix with more objects than a page holds
			}
			if entry.Key <= last || !strings.HasPrefix(entry.Key, prefix) {
				return c.fail(o, 1, errNoOrder)
			}
			if err := ctx.Err(); err != nil {
				return c.fail(o, 1, err)
			}
			last = entry.Key
			if err := fn(entry); err != nil {
				return err
			}
		}
		if !page.IsTruncated {
			return nil
		}
		next := page.NextMarker
		if next == "" || delimiter == "" {
			// Without a delimiter some services leave NextMarker out, and where they send it, it is the last key.
			next = cmp.Or(last, next)
		}
		if next <= marker {
			return c.fail(o, 1, errNoOrder)
		}
		marker = next
	}
}

// page asks for up to 1000 entries after a marker. Services that say that they encode keys and then do not (seen: moto, Ceph) are
// asked again without, for the rest of the listing.
func (b *Bucket) page(ctx context.Context, o op, prefix, delimiter, marker string, encoding *string) (*sdk.ListObjectsOutput, error) {
	var page *sdk.ListObjectsOutput
	c := b.client
	err := c.do(ctx, o, 0, func(a *attempt) error {
		input := &sdk.ListObjectsInput{Bucket: b.name, Marker: marker}
		input.Prefix, input.Delimiter, input.EncodingType, input.MaxKeys = prefix, delimiter, *encoding, 1000
		output, err := a.sdk.ListObjects(input, c.clock())
		if _, ok := errors.AsType[url.EscapeError](err); ok && *encoding != "" {
			*encoding, input.EncodingType = "", ""
			output, err = a.sdk.ListObjects(input, c.clock())
		}
		if err != nil {
			return err
		}
		if output.XMLName.Local == "" {
			return &invalid{"the answer is no listing"}
		}
		page = output
		return nil
	})
	return page, err
}

// entriesOf merges a page's objects and common prefixes in order. A service that reports "d/" as an object where it should be
// rolled up (seen: gofakes3) is put right.
func entriesOf(page *sdk.ListObjectsOutput, prefix, delimiter string) []store.Info {
	entries := make([]store.Info, 0, len(page.Contents)+len(page.CommonPrefixes))
	for _, object := range page.Contents {
		info := store.Info{Key: object.Key, Size: object.Size, ETag: cleanETag(object.ETag), LastModified: object.LastModified.UTC()}
		if delimiter != "" {
			if rest, ok := strings.CutPrefix(object.Key, prefix); ok {
				if i := strings.Index(rest, delimiter); i >= 0 {
					info = store.Info{Key: object.Key[:len(prefix)+i+len(delimiter)]}
				}
			}
		}
		entries = append(entries, info)
	}
	for _, common := range page.CommonPrefixes {
		entries = append(entries, store.Info{Key: common})
	}
	slices.SortStableFunc(entries, func(x, y store.Info) int { return cmp.Compare(x.Key, y.Key) })
	return entries
}
