package template_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// bucket is what these tests read of a bucket.
type bucket struct {
	BucketName                     string
	VersioningConfiguration        struct{ Status string }
	PublicAccessBlockConfiguration map[string]bool
	OwnershipControls              struct {
		Rules []struct{ ObjectOwnership string }
	}
	BucketEncryption struct {
		ServerSideEncryptionConfiguration []struct {
			ServerSideEncryptionByDefault struct{ SSEAlgorithm, KMSMasterKeyID string }
			BucketKeyEnabled              bool
		}
	}
	LoggingConfiguration    struct{ DestinationBucketName, LogFilePrefix string }
	ObjectLockEnabled       bool
	ObjectLockConfiguration struct {
		ObjectLockEnabled string
		Rule              struct {
			DefaultRetention struct {
				Mode string
				Days any
			}
		}
	}
	LifecycleConfiguration struct {
		Rules []struct {
			Status                         string
			ExpirationInDays               any
			ExpiredObjectDeleteMarker      bool
			NoncurrentVersionExpiration    struct{ NoncurrentDays any }
			AbortIncompleteMultipartUpload struct{ DaysAfterInitiation int }
		}
	}
}

func TestVault_IsPrivateVersionedEncryptedLoggedAndStays(t *testing.T) {
	t.Parallel()
	for name, parameters := range map[string]map[string]string{"plain": defaults(nil), "with_everything": defaults(optional())} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := deploy(t, parameters)
			for resource, r := range s.resources {
				if r.Type != "AWS::S3::Bucket" {
					continue
				}
				var b bucket
				s.of(resource, &b)
				if r.DeletionPolicy != "Retain" || r.UpdateReplacePolicy != "Retain" {
					t.Errorf("%s does not stay: %q, %q", resource, r.DeletionPolicy, r.UpdateReplacePolicy)
				}
				for _, block := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
					if !b.PublicAccessBlockConfiguration[block] {
						t.Errorf("%s of %s is off", block, resource)
					}
				}
				if b.VersioningConfiguration.Status != "Enabled" || len(b.OwnershipControls.Rules) != 1 || b.OwnershipControls.Rules[0].ObjectOwnership != "BucketOwnerEnforced" {
					t.Errorf("%s: %+v", resource, b)
				}
				if encryption := b.BucketEncryption.ServerSideEncryptionConfiguration; len(encryption) != 1 || encryption[0].ServerSideEncryptionByDefault.SSEAlgorithm == "" {
					t.Errorf("%s is encrypted by %+v", resource, encryption)
				}
				s.onlyEncrypted(resource)
			}
			var vault, logs bucket
			s.of("Vault", &vault)
			s.of("AccessLogs", &logs)
			encryption := vault.BucketEncryption.ServerSideEncryptionConfiguration[0]
			key := encryption.ServerSideEncryptionByDefault
			if s.condition("HasKmsKey") != (key.SSEAlgorithm == "aws:kms" && key.KMSMasterKeyID == s.parameters["KmsKeyArn"] && encryption.BucketKeyEnabled) {
				t.Errorf("the vault's key is %+v", encryption)
			}
			lock := vault.ObjectLockConfiguration
			if s.condition("HasObjectLock") != (vault.ObjectLockEnabled && lock.ObjectLockEnabled == "Enabled" && lock.Rule.DefaultRetention.Mode == "GOVERNANCE" &&
				fmt.Sprint(lock.Rule.DefaultRetention.Days) == "14") {
				t.Errorf("the vault's lock is %+v", lock)
			}
			if vault.LoggingConfiguration.DestinationBucketName != s.physical("AccessLogs") || logs.LoggingConfiguration.DestinationBucketName != "" || logs.ObjectLockEnabled {
				t.Errorf("the vault logs into %+v", vault.LoggingConfiguration) // S3 delivers into no bucket with a lock by default
			}
			abort, old := false, false
			for _, rule := range vault.LifecycleConfiguration.Rules {
				if rule.Status != "Enabled" || rule.ExpirationInDays != nil {
					t.Errorf("a rule of the vault's is %+v: backups go by BACKUP_KEEP alone", rule)
				}
				abort = abort || rule.AbortIncompleteMultipartUpload.DaysAfterInitiation > 0
				old = old || fmt.Sprint(rule.NoncurrentVersionExpiration.NoncurrentDays) == "30" && rule.ExpiredObjectDeleteMarker
			}
			if !abort || !old {
				t.Errorf("uploads that were given up go: %v, old versions go: %v", abort, old)
			}
			s.logDelivery(vault)
		})
	}
}

// onlyEncrypted tells whether a bucket refuses connections without TLS, whoever asks for whatever.
func (s *stack) onlyEncrypted(name string) {
	s.t.Helper()
	arn := s.attribute(name, "Arn")
	for _, st := range s.bucketPolicy(name) {
		if st.Effect == "Deny" && slices.Equal(st.Action, list{"s3:*"}) && slices.Contains(st.Resource, arn) && slices.Contains(st.Resource, arn+"/*") &&
			st.Condition["Bool"]["aws:SecureTransport"] == "false" {
			return
		}
	}
	s.t.Errorf("%s can be reached without TLS", name)
}

// logDelivery tells whether S3 may write the vault's log, and nobody else anything.
func (s *stack) logDelivery(vault bucket) {
	s.t.Helper()
	var allowed []statement
	for _, st := range append(s.bucketPolicy("AccessLogs"), s.bucketPolicy("Vault")...) {
		if st.Effect == "Allow" {
			allowed = append(allowed, st)
		}
	}
	if len(allowed) != 1 || allowed[0].service() != "logging.s3.amazonaws.com" || !slices.Equal(allowed[0].Action, list{"s3:PutObject"}) ||
		!slices.Equal(allowed[0].Resource, list{s.attribute("AccessLogs", "Arn") + "/" + vault.LoggingConfiguration.LogFilePrefix + "*"}) ||
		allowed[0].Condition["StringEquals"]["aws:SourceAccount"] != awsAccount || allowed[0].Condition["ArnLike"]["aws:SourceArn"] != "arn:aws:s3:::"+vaultName {
		s.t.Errorf("the buckets allow %+v", allowed)
	}
}

// bucketPolicy are the statements of a bucket's policy.
func (s *stack) bucketPolicy(name string) []statement {
	s.t.Helper()
	for _, r := range s.resources {
		var policy struct {
			Bucket         string
			PolicyDocument struct{ Statement []statement }
		}
		if r.Type != "AWS::S3::BucketPolicy" {
			continue
		}
		if convert(s.t, r.Properties, &policy); policy.Bucket == s.physical(name) {
			return policy.PolicyDocument.Statement
		}
	}
	s.t.Errorf("%s has no policy", name)
	return nil
}

// TestTemplate_PermitsNothingBeyondItself goes through every statement of every policy.
func TestTemplate_PermitsNothingBeyondItself(t *testing.T) {
	t.Parallel()
	s := deploy(t, defaults(optional()))
	trusted := map[string]string{} // service, by role
	checked := 0
	for name, r := range s.resources {
		switch r.Type {
		case "AWS::IAM::Role":
			var properties struct {
				AssumeRolePolicyDocument struct{ Statement []statement }
				ManagedPolicyArns        []string
			}
			s.of(name, &properties)
			trust := properties.AssumeRolePolicyDocument.Statement
			if len(trust) != 1 || !slices.Equal(trust[0].Action, list{"sts:AssumeRole"}) || len(properties.ManagedPolicyArns) > 0 {
				t.Errorf("%s: %+v", name, properties)
				continue
			}
			trusted[name] = trust[0].service()
			// Otherwise somebody else's schedule could take the role on.
			if trusted[name] == "scheduler.amazonaws.com" && trust[0].Condition["StringEquals"]["aws:SourceAccount"] != awsAccount {
				t.Errorf("a schedule of anybody may take on %s", name)
			}
			for _, st := range s.role(name).statements {
				checked++
				s.narrow(name, st)
			}
		case "AWS::IAM::ManagedPolicy":
			var properties struct {
				PolicyDocument struct{ Statement []statement }
			}
			s.of(name, &properties)
			for _, st := range properties.PolicyDocument.Statement {
				checked++
				s.narrow(name, st)
			}
		case "AWS::IAM::Policy", "AWS::IAM::User", "AWS::IAM::Group", "AWS::Lambda::Permission", "AWS::SQS::QueuePolicy":
			t.Errorf("%s is a %s, which this test does not look at", name, r.Type)
		}
	}
	if checked < 20 {
		t.Fatalf("only %d statements were found", checked)
	}
	for _, resource := range []string{"BackupRole", "RestoreRole", "ConsoleRole"} {
		if trusted[resource] != "lambda.amazonaws.com" {
			t.Errorf("%s is taken on by %q", resource, trusted[resource])
		}
	}
}

// narrow is an error for a statement that names no action or whose resources are not the stack's own.
func (s *stack) narrow(where string, st statement) {
	s.t.Helper()
	if len(st.Action) == 0 || len(st.Resource) == 0 || st.Sid == "" {
		s.t.Errorf("%s has a statement that says too little: %+v", where, st)
	}
	for _, action := range st.Action {
		service, _, _ := strings.Cut(action, ":")
		if strings.ContainsAny(action, "*?") {
			s.t.Errorf("%s: %s permits %s", where, st.Sid, action)
		}
		own := map[string]string{"s3": "arn:aws:s3:::" + vaultName, "lambda": "arn:aws:lambda:" + awsRegion + ":" + awsAccount + ":function:" + stackName + "-",
			"sqs": s.attribute("FailedEvents", "Arn"), "iam": s.attribute("NightlyRole", "Arn"), "kms": s.parameters["KmsKeyArn"],
			"scheduler":   "arn:aws:scheduler:" + awsRegion + ":" + awsAccount + ":schedule/default/" + stackName + "-",
			"logs":        "arn:aws:logs:" + awsRegion + ":" + awsAccount + ":log-group:" + stackName + "-",
			"execute-api": "arn:aws:execute-api:" + awsRegion + ":" + awsAccount + ":" + s.physical("Api") + "/"}[service]
		for _, resource := range st.Resource {
			switch {
			case action == "scheduler:ListSchedules" && resource == "*": // AWS takes nothing narrower
			case own == "" || !strings.HasPrefix(resource, own):
				s.t.Errorf("%s: %s permits %s on %s", where, st.Sid, action, resource)
			case strings.Contains(resource, "*") && !slices.Contains([]string{"s3", "logs", "execute-api"}, service):
				s.t.Errorf("%s: %s permits %s on %s", where, st.Sid, action, resource)
			}
		}
	}
}

func (s statement) service() string {
	named, _ := s.Principal.(map[string]any)
	service, _ := named["Service"].(string)
	return service
}
