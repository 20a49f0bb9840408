package s3test_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

func TestProxyCountsRequestsAndServiceTakesThem(t *testing.T) {
	t.Parallel()
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		cfg, counter := s3test.Counted(t, server.Config(t))
		client := awss3.New(awss3.Options{
			BaseEndpoint: aws.String(cfg.Endpoint), Region: cfg.Region, UsePathStyle: true,
			Credentials: credentials.NewStaticCredentialsProvider(cfg.AccessKeyID, cfg.SecretAccessKey.Reveal(), ""),
		})
		_, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &cfg.Bucket, Key: aws.String("a/b"), Body: strings.NewReader("x")})
		if err != nil {
			t.Fatal(err)
		}
		list, err := client.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: &cfg.Bucket})
		if err != nil || len(list.Contents) != 1 {
			t.Fatalf("list = %v, %v, want the one object", list, err)
		}
		if got := strings.Join(counter.Requests(), ", "); got != "PUT a/b, LIST " {
			t.Errorf("requests are %q, want a PUT and a LIST", got)
		}
		if counts := counter.Take(); counts["PUT"] != 1 || counts["LIST"] != 1 || len(counter.Take()) > 0 {
			t.Errorf("counts are %v, want one PUT and one LIST, and none afterwards", counts)
		}
	})
}
