package obs

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	sdk "github.com/huaweicloud/huaweicloud-sdk-go-obs/obs"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// After so many parts of one size the parts of a stream are twice as large: at the end of 10,000 parts an object of 585 GiB has been
// written with the normal part size, and no object that is smaller than 39 GiB takes more memory than one part.
const partsOfOneSize = 2500

// firstRead is how much memory a stream takes at first; most are small, and many run at the same time.
const firstRead = 64 << 10

// PutStream writes an object from body, as store.Store says. What fits into one part is written in one piece.
func (b *Bucket) PutStream(ctx context.Context, key string, body io.Reader) (store.Info, error) {
	c, o := b.client, op{"put object", b.name, key}
	if err := checkKey(key); err != nil {
		return store.Info{}, c.fail(o, 0, err)
	}
	first, last, err := c.readPart(ctx, o, body, 1)
	if err != nil {
		return store.Info{}, err
	}
	if last {
		return b.Put(ctx, key, first, store.Condition{})
	}
	return b.putParts(ctx, o, key, first, body)
}

// readPart reads the next part of a stream into memory of its own: an attempt that timed out may still be reading the one before. last
// tells that the stream has ended with it; then it may be empty.
func (c *Client) readPart(ctx context.Context, o op, body io.Reader, number int) (data []byte, last bool, err error) {
	size := int(c.opts.PartSize << ((number - 1) / partsOfOneSize))
	data = make([]byte, 0, min(size, firstRead))
	for empty := 0; len(data) < size; {
		if err := ctx.Err(); err != nil {
			return nil, false, c.fail(o, 0, err)
		}
		if len(data) == cap(data) {
			data = append(make([]byte, 0, min(size, 2*cap(data))), data...)
		}
		n, err := body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			return data, true, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("put object %s/%s: read what is to be written: %w", o.bucket, o.key, err)
		}
		if empty++; n > 0 {
			empty = 0
		}
		if empty >= 100 {
			return nil, false, c.fail(o, 0, io.ErrNoProgress)
		}
	}
	return data, false, nil
}

// putParts writes a stream of which the first part has been read, and is not the last.
func (b *Bucket) putParts(ctx context.Context, o op, key string, data []byte, body io.Reader) (info store.Info, err error) {
	c := b.client
	id, err := b.initiate(ctx, o, key)
	if err != nil {
		return store.Info{}, err
	}
	completed := false
	defer func() {
		if err != nil && !completed {
			err = errors.Join(err, b.abort(ctx, key, id))
		}
	}()
	var parts []sdk.Part
	var size int64
	whole := md5.New()
	for last := false; ; {
		number := len(parts) + 1
		if number > maxParts {
			return store.Info{}, c.fail(o, 0, &invalid{fmt.Sprintf("the object is larger than %d bytes, the most that %d parts hold", size, maxParts)})
		}
		etag, err := b.uploadPart(ctx, o, key, id, number, data)
		if err != nil {
			return store.Info{}, err
		}
		parts = append(parts, sdk.Part{PartNumber: number, ETag: etag})
		size += int64(len(data))
		whole.Write(data)
		if last {
			break
		}
		if data, last, err = c.readPart(ctx, o, body, number+1); err != nil {
			return store.Info{}, err
		}
		if len(data) == 0 { // it ended with the part before
			break
		}
	}
	sum := hex.EncodeToString(whole.Sum(nil))
	if err := b.complete(ctx, o, size, key, id, parts, sum); err != nil {
		return store.Info{}, err
	}
	completed = true
	return b.settleStream(ctx, o, key, size, multipartETag(parts), sum)
}

// settleStream looks at an object that was written in parts. As in Put, an ETag that tells nothing is settled by reading back, except in a
// bucket that encrypts.
func (b *Bucket) settleStream(ctx context.Context, o op, key string, size int64, ofParts, sum string) (store.Info, error) {
	c := b.client
	stored, encrypted, err := b.stat(ctx, key)
	if err != nil {
		return store.Info{}, err
	}
	if stored.Size != size {
		return store.Info{}, c.damaged(o, fmt.Sprintf("%d bytes were sent, the store holds %d", size, stored.Size))
	}
	if bool(encrypted) || stored.ETag == sum || ofParts != "" && stored.ETag == ofParts {
		return stored, nil
	}
	opened, _, err := b.get(ctx, key, "", stored.ETag)
	if err != nil {
		return store.Info{}, err
	}
	defer func() { _ = opened.Close() }()
	held := md5.New()
	if _, err := io.Copy(held, opened); err != nil {
		return store.Info{}, err
	}
	if hex.EncodeToString(held.Sum(nil)) != sum {
		return store.Info{}, c.damaged(o, "the store says ETag "+stored.ETag+" and holds other bytes than were written")
	}
	return stored, nil
}
