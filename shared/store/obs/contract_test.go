package obs_test

import (
	"net/http"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
	"github.com/dataarts-backup/dataarts-backup/shared/store/storetest"
)

// The endpoints decide the dialect. Nothing is sent to them: the transports of these tests end in this process.
const (
	obsEndpoint = "https://obs.eu-de.otc.t-systems.com"
	s3Endpoint  = "http://127.0.0.1:9000"
)

var testKeys = iam.Credentials{AccessKey: "TESTACCESSKEY", SecretKey: "test-secret-key"} //nolint:gosec // not a credential

func keyring(credentials ...iam.Credentials) *iam.Keyring {
	ring := &iam.Keyring{}
	for _, c := range credentials {
		ring.Add(c)
	}
	return ring
}

// TestStore_Contract runs the contract's suite against every service this package is tested with, in both dialects.
func TestStore_Contract(t *testing.T) {
	t.Parallel()
	for name, endpoint := range map[string]string{"OBS": obsEndpoint, "S3": s3Endpoint} {
		t.Run("in_process_"+name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) storetest.Subject {
				server := objectstore.New(objectstore.Options{Keyring: keyring(testKeys)})
				t.Cleanup(func() { _ = server.Close() })
				for _, bucket := range []string{"main-bucket", "other-bucket"} {
					if err := server.CreateBucket(bucket); err != nil {
						t.Fatal(err)
					}
				}
				s := subject(newClient(t, endpoint, server.Transport(), 64<<10), "main-bucket", "other-bucket", true)
				s.PartSize = 64 << 10
				return s
			})
		})
	}
	t.Run("versitygw_S3", func(t *testing.T) {
		t.Parallel()
		gateway := startGateway(t)
		storetest.Run(t, func(t *testing.T) storetest.Subject {
			main, other := gateway.freshBuckets(t)
			return subject(newClient(t, s3Endpoint, gateway.transport(), 5<<20), main, other, false)
		})
	})
	t.Run("versitygw_OBS", func(t *testing.T) {
		t.Parallel()
		gateway := startGateway(t)
		server := objectstore.New(objectstore.Options{Keyring: keyring(testKeys), Backend: gateway.backend()})
		t.Cleanup(func() { _ = server.Close() })
		transport := server.Transport()
		storetest.Run(t, func(t *testing.T) storetest.Subject {
			main, other := gateway.freshBuckets(t)
			return subject(newClient(t, obsEndpoint, transport, 5<<20), main, other, false)
		})
	})
}

func subject(client *obs.Client, bucket, other string, anyKey bool) storetest.Subject {
	const missing = "no-such-bucket"
	return storetest.Subject{
		Store: client.Bucket(bucket), Other: client.Bucket(other), Missing: client.Bucket(missing),
		Bucket: bucket, OtherBucket: other, NoBucket: missing,
		Conditions: true, AnyKey: anyKey,
	}
}

// newClient makes a client that writes streams in parts of so many bytes. Services want at least 5 MiB in every part but the last.
func newClient(t *testing.T, endpoint string, transport http.RoundTripper, part int64) *obs.Client {
	t.Helper()
	client, err := obs.New(obs.Options{
		Endpoint: endpoint, AccessKey: testKeys.AccessKey, SecretKey: testKeys.SecretKey, Transport: transport,
		PartSize: part,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
