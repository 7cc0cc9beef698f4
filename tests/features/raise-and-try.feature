Feature: Raise and try
  Errors by name, filters, conditions, handlers, and where to go then.

  Scenario: An error by its name
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    use: { errors: { lost: { type: 'urn:lost', status: 410, title: Lost } } }
    do:
      - r: { raise: { error: lost } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: 'urn:lost'
    status: 410
    title: Lost
    instance: /do/0/r
    """

  Scenario: Members of an error may be expressions
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - r: { raise: { error: { type: 'urn:x', status: '${ .code }', detail: '${ "at " + .place }' } } }
    """
    And given the workflow input is:
    """yaml
    { code: 422, place: dock }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 422
    detail: at dock
    """

  Scenario: Filter by type
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - o:
          try:
            - i:
                try: [ { r: { raise: { error: { type: 'urn:x', status: 418, title: T } } } } ]
                catch: { errors: { with: { type: 'urn:x' } }, do: [ { h: { set: { by: inner } } } ] }
          catch: { do: [ { h2: { set: { by: outer } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    by: inner
    """

  Scenario: Filter by another type
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - o:
          try:
            - i:
                try: [ { r: { raise: { error: { type: 'urn:x', status: 418, title: T } } } } ]
                catch: { errors: { with: { type: 'urn:y' } }, do: [ { h: { set: { by: inner } } } ] }
          catch: { do: [ { h2: { set: { by: outer } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    by: outer
    """

  Scenario: Filter by status
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - o:
          try:
            - i:
                try: [ { r: { raise: { error: { type: 'urn:x', status: 418, title: T } } } } ]
                catch: { errors: { with: { status: 418 } }, do: [ { h: { set: { by: inner } } } ] }
          catch: { do: [ { h2: { set: { by: outer } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    by: inner
    """

  Scenario: Filter by another status
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - o:
          try:
            - i:
                try: [ { r: { raise: { error: { type: 'urn:x', status: 418, title: T } } } } ]
                catch: { errors: { with: { status: 500 } }, do: [ { h: { set: { by: inner } } } ] }
          catch: { do: [ { h2: { set: { by: outer } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    by: outer
    """

  Scenario: Filter by title
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - o:
          try:
            - i:
                try: [ { r: { raise: { error: { type: 'urn:x', status: 418, title: T } } } } ]
                catch: { errors: { with: { title: T } }, do: [ { h: { set: { by: inner } } } ] }
          catch: { do: [ { h2: { set: { by: outer } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    by: inner
    """

  Scenario: Filter by instance
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - o:
          try:
            - i:
                try: [ { r: { raise: { error: { type: 'urn:x', status: 418, title: T } } } } ]
                catch: { errors: { with: { instance: /do/0/o/try/0/i/try/0/r } }, do: [ { h: { set: { by: inner } } } ] }
          catch: { do: [ { h2: { set: { by: outer } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    by: inner
    """

  Scenario: When decides
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - o:
          try:
            - i:
                try: [ { r: { raise: { error: { type: 'urn:x', status: 418, title: T } } } } ]
                catch: { when: $error.status == 500, do: [ { h: { set: { by: inner } } } ] }
          catch: { do: [ { h2: { set: { by: outer } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    by: outer
    """

  Scenario: Except when decides
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - o:
          try:
            - i:
                try: [ { r: { raise: { error: { type: 'urn:x', status: 418, title: T } } } } ]
                catch: { exceptWhen: $error.status == 418, do: [ { h: { set: { by: inner } } } ] }
          catch: { do: [ { h2: { set: { by: outer } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    by: outer
    """

  Scenario: A catch goes elsewhere, after its tasks
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { r: { raise: { error: { type: 'urn:x', status: 418, title: T } } } } ]
          catch: { do: [ { h: { set: { caught: true } } } ], then: c }
      - b: { set: { b: 1 } }
      - c: { set: '${ . }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    caught: true
    """
    And b should not run

  Scenario: A catch goes elsewhere without tasks
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { r: { raise: { error: { type: 'urn:x', status: 418, title: T } } } } ]
          catch: { then: end }
      - b: { set: { b: 1 } }
    """
    And given the workflow input is:
    """yaml
    kept: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    kept: 1
    """
    And b should not run

  Scenario: Without an error the catch goes nowhere
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { a: { set: { a: 1 } } } ]
          catch: { then: end }
      - b: { set: { b: 1 } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    b: 1
    """

  Scenario: An error in a handler is not caught by its own try
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { r: { raise: { error: { type: 'urn:x', status: 418, title: T } } } } ]
          catch: { do: [ { again: { raise: { error: { type: 'urn:y', status: 500 } } } } ] }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: 'urn:y'
    instance: /do/0/t/catch/do/0/again
    """

  Scenario: The kinds of the standard are equal under open-workflow-specification.org
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { e: { set: { x: '${ .a.b }' } } } ]
          catch: { errors: { with: { type: 'https://open-workflow-specification.org/dsl/errors/types/expression' } }, do: [ { h: { set: { ok: true } } } ] }
    """
    And given the workflow input is:
    """yaml
    a: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    ok: true
    """

  Scenario: The kinds of the standard are equal under serverlessworkflow.io
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - t:
          try: [ { e: { set: { x: '${ .a.b }' } } } ]
          catch: { errors: { with: { type: 'https://serverlessworkflow.io/spec/1.0.0/errors/expression' } }, do: [ { h: { set: { ok: true } } } ] }
    """
    And given the workflow input is:
    """yaml
    a: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    ok: true
    """

  Scenario: An unknown error name is refused
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: supplement, name: main, version: '1.0.0' }
    do:
      - r: { raise: { error: nowhere } }
    """
    Then the definition should be refused by rule 'reference'
