package obs

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"

	sdk "github.com/huaweicloud/huaweicloud-sdk-go-obs/obs"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Put writes an object in one piece, as store.Store says.
//
// The answer's ETag is compared with the body's MD5. Where it is another one, the object is looked at: in a bucket that encrypts
// its size must be right (the service has checked the MD5 that travelled with the bytes); anywhere else it is read back and
// compared byte by byte, because some buckets encrypt without saying so.
//
// A store that refuses a condition as something that it does not know is asked again without one, as one that ignores conditions writes.
func (b *Bucket) Put(ctx context.Context, key string, data []byte, cond store.Condition) (store.Info, error) {
	info, err := b.put(ctx, key, data, cond)
	if cond != (store.Condition{}) && unknownHere(err) {
		return b.put(ctx, key, data, store.Condition{})
	}
	return info, err
}

// unknownHere tells whether a service refuses a request for something that it does not know, which no state of its objects can be the reason of: S3 says 501
// NotImplemented of a header ("A header you provided implies functionality that is not implemented"), other servers call it an argument.
func unknownHere(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	switch e.Status {
	case http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return true
	case http.StatusBadRequest:
		return e.Code == "InvalidArgument" || e.Code == "InvalidRequest" || e.Code == "NotImplemented"
	}
	return false
}

func (b *Bucket) put(ctx context.Context, key string, data []byte, cond store.Condition) (store.Info, error) {
	c, o := b.client, op{"put object", b.name, key}
	if err := checkKey(key); err != nil {
		return store.Info{}, c.fail(o, 0, err)
	}
	if cond.IfNoneMatch && cond.IfMatch != "" {
		return store.Info{}, c.fail(o, 0, &invalid{"an object cannot both be absent and have an ETag"})
	}
	sum := md5.Sum(data)
	var ifNoneMatch string
	if cond.IfNoneMatch {
		ifNoneMatch = "*"
	}
	var answer *sdk.PutObjectOutput
	sent := 0
	err := c.do(ctx, o, int64(len(data)), func(a *attempt) error {
		sent = a.number
		input := &sdk.PutObjectInput{}
		input.Bucket, input.Key = b.name, key
		input.ContentMD5 = base64.StdEncoding.EncodeToString(sum[:])
		if len(data) > 0 { // an empty reader would go out chunked, which services refuse; no reader goes out as Content-Length 0
			input.Body, input.ContentLength = bytes.NewReader(data), int64(len(data))
		}
		// An empty value makes the SDK leave the header out.
		output, err := a.sdk.PutObject(input, c.clock(), sdk.WithCustomHeader("If-None-Match", ifNoneMatch),
			sdk.WithCustomHeader("If-Match", quoteETag(cond.IfMatch)))
		if err != nil {
			return err
		}
		answer = output
		return nil
	})
	conditional := cond != store.Condition{}
	if e, ok := errors.AsType[*Error](err); ok && conditional {
		if e.Status == http.StatusNotFound && e.Code == "NoSuchKey" {
			// S3's answer to If-Match where there is no object.
			e.cause = store.ErrPrecondition
		}
		if sent > 1 && errors.Is(e, store.ErrPrecondition) {
			// An earlier attempt may have written the object and lost its answer. Then it is ours that stands in the way.
			if info, same, readErr := b.holds(ctx, key, data); readErr == nil && same {
				return info, nil
			} else if readErr != nil && !errors.Is(readErr, store.ErrNotExist) {
				return store.Info{}, readErr
			}
		}
	}
	if err != nil {
		return store.Info{}, err
	}
	info := store.Info{Key: key, Size: int64(len(data)), ETag: cleanETag(answer.ETag)}
	if info.ETag == hex.EncodeToString(sum[:]) {
		return info, nil
	}
	if encryptionOf(answer.ResponseHeaders) {
		stored, _, err := b.stat(ctx, key)
		if err != nil {
			return store.Info{}, err
		}
		if stored.Size != info.Size || stored.ETag != info.ETag {
			return store.Info{}, c.damaged(o, "the store holds another object than was written")
		}
		return info, nil
	}
	stored, same, err := b.holds(ctx, key, data)
	if err != nil {
		return store.Info{}, err
	}
	if !same {
		return store.Info{}, c.damaged(o, "the store answered ETag "+info.ETag+" and holds other bytes than were written")
	}
	return stored, nil
}

// holds reads an object and says whether it has exactly these bytes.
func (b *Bucket) holds(ctx context.Context, key string, data []byte) (store.Info, bool, error) {
	opened, info, err := b.get(ctx, key, "", "")
	if err != nil {
		return store.Info{}, false, err
	}
	defer func() { _ = opened.Close() }()
	if info.Size >= 0 && info.Size != int64(len(data)) {
		return info, false, nil
	}
	stored, err := io.ReadAll(io.LimitReader(opened, int64(len(data))+1))
	if err != nil {
		return store.Info{}, false, err
	}
	return info, bytes.Equal(stored, data), nil
}

func (c *Client) damaged(o op, text string) error {
	return &Error{Operation: o.name, Bucket: o.bucket, Key: o.key, Attempts: 1, cause: store.ErrDamaged,
		text: c.redact(store.ErrDamaged.Error() + ": " + text)}
}
