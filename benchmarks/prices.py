"""AWS's list prices that the pages compute with: us-east-1, November 2025, on demand, on x86, without free tiers.

In dollars for one of what the name says; a month has 30 days.
"""

WHERE_AND_WHEN = "us-east-1, November 2025"

REQUEST = 3.50e-6  # at API Gateway
CALL = 0.20e-6  # of a Lambda function
GB_SECOND = 16.6667e-6
READ_UNIT = 0.125e-6
WRITE_UNIT = 0.625e-6
STORED_GB_MONTH = 0.25  # in DynamoDB
TRACE = 5.00e-6
LOG_BYTE = 0.50e-9
SENT_BYTE = 0.09e-9
METRIC_MONTH = 0.30
ALARM_MONTH = 0.10  # for each metric that it watches
DASHBOARD_MONTH = 3.00
