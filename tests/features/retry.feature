Feature: Retry
  How often, how long between, and when no more.

  Scenario: Until it works
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { g: { call: http, with: { method: get, endpoint: 'https://stock.test/item' } } } ]
          catch: { errors: { with: { status: 503 } }, retry: { delay: { seconds: 5 }, limit: { attempt: { count: 5 } } }, do: [ { h: { set: { gave: up } } } ] }
    """
    And host stock.test answers GET /item with 503
    And host stock.test answers GET /item with 503
    And host stock.test answers GET /item with 200:
    """yaml
    { n: 1 }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 1
    """
    And host stock.test should have been asked 3 times with GET
    And it should take 10 seconds

  Scenario: Delays are constant
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { g: { call: http, with: { method: get, endpoint: 'https://stock.test/item' } } } ]
          catch: { errors: { with: { status: 503 } }, retry: { delay: PT4S, backoff: { constant: {} }, limit: { attempt: { count: 3 } } }, do: [ { h: { set: { gave: up } } } ] }
    """
    And host stock.test answers GET /item with 503
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    gave: up
    """
    And host stock.test should have been asked 4 times with GET
    And it should take 12 seconds

  Scenario: Delays are linear
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { g: { call: http, with: { method: get, endpoint: 'https://stock.test/item' } } } ]
          catch: { errors: { with: { status: 503 } }, retry: { delay: PT4S, backoff: { linear: {} }, limit: { attempt: { count: 3 } } }, do: [ { h: { set: { gave: up } } } ] }
    """
    And host stock.test answers GET /item with 503
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    gave: up
    """
    And host stock.test should have been asked 4 times with GET
    And it should take 24 seconds

  Scenario: Delays are exponential
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { g: { call: http, with: { method: get, endpoint: 'https://stock.test/item' } } } ]
          catch: { errors: { with: { status: 503 } }, retry: { delay: PT4S, backoff: { exponential: {} }, limit: { attempt: { count: 3 } } }, do: [ { h: { set: { gave: up } } } ] }
    """
    And host stock.test answers GET /item with 503
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    gave: up
    """
    And host stock.test should have been asked 4 times with GET
    And it should take 28 seconds

  Scenario: Up to a time
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { g: { call: http, with: { method: get, endpoint: 'https://stock.test/item' } } } ]
          catch: { errors: { with: { status: 503 } }, retry: { delay: PT4S, limit: { duration: PT10S } }, do: [ { h: { set: { gave: up } } } ] }
    """
    And host stock.test answers GET /item with 503
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    gave: up
    """
    And host stock.test should have been asked 3 times with GET
    And it should take 8 seconds

  Scenario: Jitter is added
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { g: { call: http, with: { method: get, endpoint: 'https://stock.test/item' } } } ]
          catch: { errors: { with: { status: 503 } }, retry: { delay: PT4S, jitter: { from: PT1S, to: PT2S }, limit: { attempt: { count: 2 } } }, do: [ { h: { set: { gave: up } } } ] }
    """
    And host stock.test answers GET /item with 503
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    gave: up
    """
    And it should take from 10 to 12 seconds

  Scenario: By name
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    use: { retries: { gently: { delay: PT1S, limit: { attempt: { count: 1 } } } } }
    do:
      - t:
          try: [ { g: { call: http, with: { method: get, endpoint: 'https://stock.test/item' } } } ]
          catch: { retry: gently, do: [ { h: { set: { gave: up } } } ] }
    """
    And host stock.test answers GET /item with 503
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    gave: up
    """
    And host stock.test should have been asked 2 times with GET

  Scenario: Only when
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { g: { call: http, with: { method: get, endpoint: 'https://stock.test/item' } } } ]
          catch: { errors: { with: { status: 503 } }, retry: { delay: PT1S, when: $error.status == 500, limit: { attempt: { count: 3 } } }, do: [ { h: { set: { gave: up } } } ] }
    """
    And host stock.test answers GET /item with 503
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    gave: up
    """
    And host stock.test should have been asked 1 times with GET

  Scenario: Except when
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { g: { call: http, with: { method: get, endpoint: 'https://stock.test/item' } } } ]
          catch: { errors: { with: { status: 503 } }, retry: { delay: PT1S, exceptWhen: $error.status == 503, limit: { attempt: { count: 3 } } }, do: [ { h: { set: { gave: up } } } ] }
    """
    And host stock.test answers GET /item with 503
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    gave: up
    """
    And host stock.test should have been asked 1 times with GET

  Scenario: A retry without end is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { g: { call: http, with: { method: get, endpoint: 'https://stock.test/item' } } } ]
          catch: { errors: { with: { status: 503 } }, retry: { delay: PT1S }, do: [ { h: { set: { gave: up } } } ] }
    """
    Then the definition should be refused by rule 'unbounded'
