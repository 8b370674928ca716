package obs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	sdk "github.com/huaweicloud/huaweicloud-sdk-go-obs/obs"
	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

const (
	deleteBatch       = 1000 // the service takes no more keys in one request
	deleteConcurrency = 16
)

// Delete removes objects. It goes on after a failure; the error names every key that is still there, at most ten of them one by one.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	c, o := b.client, op{"delete objects", b.name, ""}
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			return c.fail(op{"delete object", b.name, key}, 0, err)
		}
	}
	if len(keys) == 1 {
		return b.deleteOne(ctx, keys[0])
	}
	var single []string // keys that are deleted one by one
	batch := slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
		if !survivesXML(key) {
			single = append(single, key)
			return true
		}
		return false
	})
	failed := map[string]error{}
	for chunk := range slices.Chunk(batch, deleteBatch) {
		left, err := b.deleteMany(ctx, o, chunk, failed)
		if err != nil {
			return err
		}
		single = append(single, left...)
	}
	if err := b.deleteEach(ctx, single, failed); err != nil {
		return err
	}
	return c.stillThere(o, failed)
}

// deleteMany deletes up to 1000 objects in one request. It returns the keys that must be deleted one by one, because the service
// has no such request or passed them over, and adds those that it refused to failed.
func (b *Bucket) deleteMany(ctx context.Context, o op, keys []string, failed map[string]error) (single []string, err error) {
	c := b.client
	var answer *sdk.DeleteObjectsOutput
	err = c.do(ctx, o, 0, func(a *attempt) error {
		input := &sdk.DeleteObjectsInput{Bucket: b.name}
		for _, key := range keys {
			input.Objects = append(input.Objects, sdk.ObjectToDelete{Key: key})
		}
		output, err := a.sdk.DeleteObjects(input, c.clock())
		if err != nil {
			return err
		}
		answer = output
		return nil
	})
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Status {
		case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusLengthRequired, http.StatusNotImplemented:
			return keys, nil // the service does not know the request, or wants it otherwise
		}
		return nil, err
	}
	spoken := make(map[string]bool, len(keys))
	for _, deleted := range answer.Deleteds {
		spoken[deleted.Key] = true
	}
	for _, refused := range answer.Errors {
		if refused.Code == "NoSuchKey" || !slices.Contains(keys, refused.Key) {
			spoken[refused.Key] = refused.Code == "NoSuchKey"
			continue
		}
		switch refused.Code {
		case "InternalError", "SlowDown", "ServiceUnavailable", "": // worth another try, with the pauses of a single delete
			continue
		}
		spoken[refused.Key] = true
		failed[refused.Key] = errors.New(c.redact(strings.TrimSuffix(refused.Code+": "+refused.Message, ": ")))
	}
	for _, key := range keys {
		if !spoken[key] {
			single = append(single, key)
		}
	}
	return single, nil
}

// deleteEach deletes objects one by one, some at a time. Only the end of the context stops it.
func (b *Bucket) deleteEach(ctx context.Context, keys []string, failed map[string]error) error {
	var group errgroup.Group
	group.SetLimit(deleteConcurrency)
	errs := make([]error, len(keys))
	for i, key := range keys {
		group.Go(func() error {
			errs[i] = b.deleteOne(ctx, key)
			return nil
		})
	}
	_ = group.Wait() // its functions return no errors
	for i, err := range errs {
		switch {
		case err == nil:
		case ctx.Err() != nil, errors.Is(err, store.ErrNotExist): // no bucket
			return err
		default:
			failed[keys[i]] = err
		}
	}
	return nil
}

func (b *Bucket) deleteOne(ctx context.Context, key string) error {
	c := b.client
	err := c.do(ctx, op{"delete object", b.name, key}, 0, func(a *attempt) error {
		_, err := a.sdk.DeleteObject(&sdk.DeleteObjectInput{Bucket: b.name, Key: key}, c.clock())
		return err
	})
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound && e.Code == "NoSuchKey" {
		return nil
	}
	return err
}

// stillThere makes one error of the objects that could not be deleted.
func (c *Client) stillThere(o op, failed map[string]error) error {
	if len(failed) == 0 {
		return nil
	}
	keys := make([]string, 0, len(failed))
	for key := range failed {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var text strings.Builder
	fmt.Fprintf(&text, "%d objects are still there: ", len(keys))
	for i, key := range keys {
		if i == 10 {
			fmt.Fprintf(&text, "; and %d more", len(keys)-i)
			break
		}
		if i > 0 {
			text.WriteString("; ")
		}
		fmt.Fprintf(&text, "%s (%v)", key, failed[key])
	}
	e := c.fail(o, 1, errors.New(text.String()))
	e.cause = failed[keys[0]]
	return e
}

// survivesXML says whether a key reads back from XML as it was written. The SDK writes control characters as they are, and an XML
// reader takes a carriage return for a line feed: the request would name another object.
func survivesXML(key string) bool {
	return strings.TrimSpace(key) == key && !strings.ContainsFunc(key, func(r rune) bool {
		return unicode.IsControl(r) || r == '\uFFFE' || r == '\uFFFF'
	})
}
