from pathlib import Path

import pytest

from local.template import Rate, TemplateError, UploadTrigger, read

_TEMPLATE = """
Parameters:
  Rate: {Type: Number, Default: 7}
  Stage: {Type: String, Default: v9}
  Origin: {Type: String, Default: "*"}
Globals:
  Function: {Environment: {Variables: {LOG_LEVEL: INFO, TABLE: !Ref Table}}}
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: !Ref Stage
      BinaryMediaTypes: [multipart/form-data]
      Auth: {ApiKeyRequired: true}
      MethodSettings:
        - {ResourcePath: /*, HttpMethod: "*", ThrottlingRateLimit: !Ref Rate, ThrottlingBurstLimit: 14}
        - {ResourcePath: /~1b~1c, HttpMethod: POST, ThrottlingRateLimit: 0.5, ThrottlingBurstLimit: 1}
      Cors: {AllowOrigin: !Sub "'${Origin}'", AllowMethods: "'GET'", MaxAge: "'60'", AllowCredentials: false}
      GatewayResponses:
        THROTTLED:
          StatusCode: 429
          ResponseParameters: {Headers: {Retry-After: "'1'", Access-Control-Allow-Origin: !Sub "'${Origin}'"}}
          ResponseTemplates: {application/json: '{"instance": "$context.requestId"}'}
  One:
    Type: AWS::Serverless::Function
    Properties:
      ImageConfig: {Command: [functions.one.app.handler]}
      Policies: [!Sub "x-${Table}", !GetAtt Table.Arn]
      Events:
        A: {Type: Api, Properties: {Method: get, Path: /a, Auth: {ApiKeyRequired: false}}}
        B: {Type: Api, Properties: {Method: POST, Path: /b/c}}
        C: {Type: S3, Properties: {Bucket: !Ref Uploads}}
"""


def _read(folder: Path, text: str) -> Path:
    path = folder / "template.yaml"
    path.write_text(text)
    return path


def test_routes_carry_key_and_rate_from_the_template(tmp_path: Path) -> None:
    template = read(_read(tmp_path, _TEMPLATE))

    a, b = template.routes
    assert (a.method, a.path, a.function, a.needs_key, a.rate) == ("GET", "/a", "One", False, Rate(7.0, 14))
    assert (b.method, b.path, b.needs_key, b.rate) == ("POST", "/b/c", True, Rate(0.5, 1))
    assert template.stage == "v9"
    assert template.handlers == {"One": "functions.one.app.handler"}
    assert template.binary_media_types == {"multipart/form-data"}
    assert template.gateway_responses["THROTTLED"].headers == {"Retry-After": "1", "Access-Control-Allow-Origin": "*"}
    assert template.environment == {"LOG_LEVEL": "INFO"}


def test_a_parameter_is_obeyed_wherever_the_template_refers_to_it(tmp_path: Path) -> None:
    origin = "https://studio.example.org"
    template = read(_read(tmp_path, _TEMPLATE), Origin=origin)

    assert template.gateway_responses["THROTTLED"].headers["Access-Control-Allow-Origin"] == origin
    assert template.preflight_headers == {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET",
        "Access-Control-Max-Age": "60",
    }


_UPLOADS = """\
  Two:
    Type: AWS::Serverless::Function
    Properties:
      ImageConfig: {Command: [functions.two.uploads.handler]}
      Events:
        D: {Type: S3, Properties: {Bucket: !Ref Uploads, Filter: {S3Key: {Rules: [{Name: prefix, Value: in/}]}}}}
"""


def test_the_function_that_a_bucket_calls_is_known_by_the_prefix_of_its_objects(tmp_path: Path) -> None:
    assert read(_read(tmp_path, _TEMPLATE)).upload_trigger is None
    assert read(_read(tmp_path, _TEMPLATE + _UPLOADS)).upload_trigger == UploadTrigger("Two", "in/")
    with pytest.raises(TemplateError, match="2 functions are called by a bucket"):
        read(_read(tmp_path, _TEMPLATE + _UPLOADS + _UPLOADS.replace("Two", "Three")))


def test_a_template_with_no_api_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="0 resources are AWS::Serverless::Api"):
        read(_read(tmp_path, "Resources: {}"))


def test_a_header_that_the_gateway_would_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="Retry-After is 1, not a quoted text"):
        read(_read(tmp_path, _TEMPLATE.replace("\"'1'\"", '"1"')))
