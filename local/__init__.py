"""The local stack: does on one machine what API Gateway, Lambda and S3 do on AWS, by the same template.yaml."""
